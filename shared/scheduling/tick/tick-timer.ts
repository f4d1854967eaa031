import { logger } from '../../logger.ts'

export type TickTimer = {
  /**
   * Ticks early, but at most once per `NUDGE_MS`, however often it is called. Does nothing if the next regular tick can
   * still claim what is due at `dueAt` (`performance.now()`). Default: it can't.
   */
  nudge(dueAt?: number): void
  /** Ticks now, or as soon as the running tick has ended. */
  again(): void
  /** Starts no more ticks. Resolves when the running one has ended. */
  stop(): Promise<void>
}

const NUDGE_MS = 25

/** A tick can claim an execution, and write its start in time, if it begins this many milliseconds before. */
const IN_TIME_MS = 100

/** While ticks keep failing, only one failure in this many is logged. */
const LOG_EVERY = 30

/**
 * Ticks at each interval, one tick at a time. If a tick takes longer than the interval, the ticks that would come due
 * in the meantime are left out.
 */
export function startTickTimer(tick: () => Promise<unknown>, intervalMs: number): TickTimer {
  let failures = 0
  let running: Promise<void> | undefined
  const beat = async (): Promise<void> => {
    try {
      await tick()
      if (failures > 0) logger.info('tick succeeds again', { failures })
      failures = 0
    } catch (error) {
      if (failures % LOG_EVERY === 0)
        logger.error('tick failed', { failures: failures + 1, error: error as Error })
      failures += 1
    } finally {
      running = undefined
      if (asked) start()
    }
  }
  let asked = false
  let stopped = false
  const start = (): void => {
    if (stopped || running) return
    asked = false
    running = beat()
  }
  const again = (): void => {
    asked = true
    start()
  }
  let nudged: NodeJS.Timeout | undefined
  let nextAt = performance.now() + intervalMs
  const timer = setInterval(() => {
    nextAt = performance.now() + intervalMs
    start()
  }, intervalMs)
  setImmediate(start)
  return {
    nudge(dueAt = Number.NEGATIVE_INFINITY) {
      // A running tick may already have passed the execution's task over, and may take longer than the interval.
      if (!running && nextAt + IN_TIME_MS <= dueAt) return
      nudged ??= setTimeout(() => {
        nudged = undefined
        again()
      }, NUDGE_MS)
    },
    again,
    async stop() {
      // Runs that end during the shutdown still nudge the timer, and another tick would claim again.
      stopped = true
      clearInterval(timer)
      clearTimeout(nudged)
      nudged = undefined
      await running
    },
  }
}
