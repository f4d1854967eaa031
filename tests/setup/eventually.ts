import { setTimeout as wait } from 'node:timers/promises'

const POLL_MS = 50

/** Repeats `check` until it no longer throws, and returns its result. Throws the last error after `seconds`. */
export async function eventually<T>(check: () => T | Promise<T>, seconds = 10): Promise<T> {
  const deadline = performance.now() + seconds * 1000
  for (;;) {
    try {
      return await check()
    } catch (error) {
      if (performance.now() >= deadline) throw error
      await wait(POLL_MS)
    }
  }
}
