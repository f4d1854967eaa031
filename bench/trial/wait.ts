import { setTimeout as wait } from 'node:timers/promises'
import type { Worker } from '../worker/fork.ts'

const LOOK_MS = 5

export const runsOf = (workers: Worker[]): number => workers.reduce((sum, worker) => sum + worker.runs, 0)

/** Waits until a system has begun to run. Returns false if it hasn't by `deadlineMs`, a time on the monotonic clock. */
export const begin = (workers: Worker[], deadlineMs: number): Promise<boolean> =>
  until(() => alive(workers).some((worker) => worker.hasBegun), deadlineMs)

/** Waits until this many runs have started. Returns false if they haven't by the deadline. */
export const reach = (workers: Worker[], runs: number, deadlineMs: number): Promise<boolean> =>
  until(() => runsOf(alive(workers)) >= runs, deadlineMs)

function alive(workers: Worker[]): Worker[] {
  if (workers.some((worker) => worker.hasEnded)) throw new Error('a worker exited unexpectedly')
  return workers
}

/**
 * Polls until `is` returns true, and spends at least as much time waiting as polling. Returns false once the deadline
 * has passed.
 */
export async function until(is: () => boolean | Promise<boolean>, deadlineMs: number): Promise<boolean> {
  for (;;) {
    const from = performance.now()
    if (await is()) return true
    if (performance.now() > deadlineMs) return false
    await wait(Math.max(LOOK_MS, performance.now() - from))
  }
}
