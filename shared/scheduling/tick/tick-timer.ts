import { logger } from '../../logger.ts'

export type TickTimer = {
  /** Ticks early, but at most once per `NUDGE_MS`, however often it is called. */
  nudge(): void
  /** Ticks now, or as soon as the running tick has ended. */
  again(): void
  /** Prevents further ticks. Resolves when the running tick, if any, has ended. */
  stop(): Promise<void>
}

const NUDGE_MS = 25

/** While ticks keep failing, only one failure in this many is logged. */
const LOG_EVERY = 30

/**
 * Ticks once per interval, one tick at a time. If a tick takes longer than the interval, the ticks that would have
 * started in the meantime are dropped.
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
  const timer = setInterval(start, intervalMs)
  setImmediate(start)
  return {
    nudge() {
      nudged ??= setTimeout(() => {
        nudged = undefined
        again()
      }, NUDGE_MS)
    },
    again,
    async stop() {
      // Runs that end during the shutdown still nudge the timer, and a further tick would claim more executions.
      stopped = true
      clearInterval(timer)
      clearTimeout(nudged)
      nudged = undefined
      await running
    },
  }
}
