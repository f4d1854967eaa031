import { setTimeout as wait } from 'node:timers/promises'
import { executor as ownExecutor, watch as ownWatch, provideDispatcher } from '../../functions/program.ts'
import type { Config } from '../../shared/config.ts'
import { logger } from '../../shared/logger.ts'
import type { Claim } from '../../shared/scheduling/claim/claim.ts'
import type { Executor } from '../../shared/scheduling/run/executor.ts'
import type { Share } from '../../shared/scheduling/run/work.ts'
import { startTickTimer } from '../../shared/scheduling/tick/tick-timer.ts'
import type { LambdaHandler } from '../service/handlers.ts'
import type { ServiceFunction } from '../service/service.ts'
import { invoke } from './invoke.ts'

type Callable = { fn: ServiceFunction; handler: LambdaHandler }

export type Scheduler = {
  /** Stops claiming, lets runs finish within the grace, which `hurry` ends early, and hands the rest back. */
  stop(graceSeconds: number, hurry: AbortSignal): Promise<void>
}

/** In seconds: the longest that a timer takes. */
const NO_LIMIT_SECONDS = 2_000_000

/**
 * A container has no invocation limit. Executions are limited by the task's own timeout. A tick ends since every
 * statement does, and one that was abandoned would go on beside the next.
 */
const withoutLimit = (fn: ServiceFunction): ServiceFunction => ({ ...fn, timeoutSeconds: NO_LIMIT_SECONDS })

/** Ticks at the configured interval, and runs in this process what the ticks claim. */
export function startScheduler(tick: Callable, execute: Callable, settings: Config): Scheduler {
  const own = ownExecutor()
  const most = settings.maxConcurrentExecutions
  // This much of what may be claimed ahead is left to quick work.
  const kept = Math.floor(settings.maxClaimedExecutions / 8)
  let full = false
  const tellFull = watchFull(own, 'common', 'all slots are taken: what is due waits')
  const tellKeptFull = watchFull(own, 'kept', 'the slots kept for quick tasks and manual runs are taken too')
  let stopping = false
  const handed = new Set<Promise<void>>()
  const run = async (claim: Claim): Promise<void> => {
    try {
      const taskIds = claim.executions.map((it) => it.task_id)
      await invoke(withoutLimit(execute.fn), execute.handler, { claimId: claim.id, taskIds })
    } catch (error) {
      logger.error('executions could not be started', { claim_id: claim.id, error: error as Error })
    } finally {
      own.abandon(claim.id)
    }
  }
  const watch = ownWatch()
  watch.watch()
  watch.owe('tick', settings.tickIntervalMs)
  const tickOnce = async (): Promise<void> => {
    try {
      await invoke(withoutLimit(tick.fn), tick.handler, {})
      if (!stopping) watch.owe('tick', settings.tickIntervalMs)
    } catch (error) {
      watch.failed('tick', error)
      throw error
    }
  }
  const ticker = startTickTimer(tickOnce, settings.tickIntervalMs)
  const nudge = () => ticker.nudge()
  own.onDueSoon(settings.claimAheadMs, nudge)
  // Otherwise a full worker would run only one slotful per tick, however short the runs are.
  own.onFreed(() => {
    if (full && own.freeSlots >= most / 2) ticker.again()
  })
  provideDispatcher({
    async capacity() {
      if (stopping || own.isCutOff || own.isHeavy) return { now: 0, ahead: 0 }
      const left = settings.maxClaimedExecutions - own.load
      const ahead = left - (own.quickCapacity > 0 ? kept : 0)
      full = own.freeSlots <= 0
      tellFull(full)
      tellKeptFull(full && own.isKeptFull)
      return {
        now: Math.min(own.freeSlots, ahead),
        ahead: full ? 0 : ahead,
        quick: Math.min(own.quickCapacity, left),
      }
    },
    reserve: (count) => own.reserve(count),
    async send(claim) {
      own.accept(claim)
      const work = run(claim).finally(() => handed.delete(work))
      handed.add(work)
    },
    nudge,
  })
  return {
    async stop(graceSeconds, hurry) {
      const graceMs = graceSeconds * 1000
      if (own.running > 0) tellStopping(own.running, graceSeconds)
      // Otherwise a tick with a backlog would go on until there is none.
      stopping = true
      watch.done('tick')
      // A claim in flight still arrives. What it has started may finish within the grace, and the rest is handed back.
      await Promise.all([own.drain(graceMs, hurry), within(ticker.stop(), graceMs, hurry)])
      // A claim of the last tick may have arrived after that; the executor frees it.
      await within(Promise.allSettled(handed), settings.leaseSeconds * 1000, new AbortController().signal)
    },
  }
}

/** Milliseconds without a free slot of a share after which a worker logs a warning, once a minute at most. */
const FULL_MS = 10_000
const FULL_AGAIN_MS = 60_000
const NAMED = 5

/**
 * Returns a function to be told, again and again, whether all slots of a share are taken. It logs `message` with the
 * tasks that have held them longest.
 */
function watchFull(own: Executor, share: Share, message: string): (isFull: boolean) => void {
  let since: number | null = null
  let saidAt = Number.NEGATIVE_INFINITY
  return (isFull) => {
    const now = performance.now()
    since = isFull ? (since ?? now) : null
    if (since === null || now - since < FULL_MS || now - saidAt < FULL_AGAIN_MS) return
    saidAt = now
    const { names, ms } = own.longest(share, NAMED)
    logger.warn(message, {
      full_s: Math.round((now - since) / 1000),
      longest: names,
      longest_s: Math.round(ms / 1000),
    })
  }
}

/** Tells whoever is at the terminal, or else the log. */
function tellStopping(runs: number, graceSeconds: number): void {
  const what = runs === 1 ? '1 run' : `${runs} runs`
  const text = `stopping: ${what}, up to ${graceSeconds} s; Ctrl-C again ends them now`
  if (process.stdout.isTTY) process.stdout.write(`${text}\n`)
  else logger.info(text)
}

/**
 * Resolves when the work is done, or after so many milliseconds, or when `hurry` aborts, since a database that hangs
 * must not delay the end.
 */
async function within(work: Promise<unknown>, ms: number, hurry: AbortSignal): Promise<void> {
  const done = new AbortController()
  const signal = AbortSignal.any([done.signal, hurry])
  await Promise.race([work, wait(ms, undefined, { signal }).catch(() => {})])
  done.abort()
}
