import { setTimeout as wait } from 'node:timers/promises'

const POLL_MS = 50

/**
 * Asks until `check` no longer throws, and returns its answer; throws its last error when that takes longer than
 * `seconds`.
 */
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
