import { setTimeout as wait } from 'node:timers/promises'
import {
  memory,
  executor as ownExecutor,
  watch as ownWatch,
  presence,
  provideDispatcher,
} from '../../functions/program.ts'
import type { Config } from '../../shared/config.ts'
import { logger } from '../../shared/logger.ts'
import type { Claim } from '../../shared/scheduling/claim/claim.ts'
import type { Executor } from '../../shared/scheduling/run/executor.ts'
import type { Share } from '../../shared/scheduling/run/held.ts'
import { startTickTimer } from '../../shared/scheduling/tick/tick-timer.ts'
import type { LambdaHandler } from '../service/handlers.ts'
import type { ServiceFunction } from '../service/service.ts'
import { invoke } from './invoke.ts'

type Callable = { fn: ServiceFunction; handler: LambdaHandler }

export type Scheduler = {
  /**
   * Stops claiming, lets runs finish within the grace period, and hands the rest back. `hurry` ends the grace period
   * early.
   */
  stop(graceSeconds: number, hurry: AbortSignal): Promise<void>
}

/** Slightly less than the longest delay that a timer supports, in seconds. */
const NO_LIMIT_SECONDS = 2_000_000

/**
 * Removes a function's time limit, which a container doesn't need. Each execution has its task's timeout, and each of a
 * tick's statements has its own limit. A limit for the whole tick would do harm: after a timeout, the tick would
 * keep running alongside the next tick.
 */
const withoutLimit = (fn: ServiceFunction): ServiceFunction => ({ ...fn, timeoutSeconds: NO_LIMIT_SECONDS })

/** Ticks at the configured interval, and runs the claimed executions in this process. */
export function startScheduler(tick: Callable, execute: Callable, settings: Config): Scheduler {
  const own = ownExecutor()
  const most = settings.maxConcurrentExecutions
  // The part of the claim limit that is reserved for quick tasks and manual runs.
  const kept = Math.floor(settings.maxClaimedExecutions / 8)
  let full = false
  const tellFull = watchFull(own, 'common', 'all slots are taken: due executions are waiting')
  const tellKeptFull = watchFull(own, 'kept', 'the slots kept for quick tasks and manual runs are also taken')
  let stopping = false
  const handed = new Set<Promise<void>>()
  const run = async (claim: Claim): Promise<void> => {
    try {
      await invoke(withoutLimit(execute.fn), execute.handler, { claimId: claim.id })
    } catch (error) {
      logger.error('executions could not be started', { claim_id: claim.id, error: error as Error })
    } finally {
      own.abandon(claim.id)
    }
  }
  presence().begin()
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
  // Ticks again once half of the slots are free. Otherwise a worker that has filled its slots would refill them only
  // once per tick interval, no matter how short the runs are.
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
      // Ends the current tick, which would otherwise continue until the whole backlog is claimed.
      stopping = true
      watch.done('tick')
      // Claims in flight still arrive. Executions that were started along with such a claim may finish within the grace
      // period; the claim's other executions are freed.
      const ticked = ticker.stop().then(() => memory.rolledUp)
      await Promise.all([own.drain(graceMs, hurry), within(ticked, graceMs, hurry)])
      // A claim from the last tick may arrive even after the drain. The executor frees it.
      await within(Promise.allSettled(handed), settings.leaseSeconds * 1000, new AbortController().signal)
      await presence().leave()
    },
  }
}

/** Milliseconds for which all slots of a share must be taken before a warning is logged. */
const FULL_MS = 10_000
/** Minimum number of milliseconds between two such warnings. */
const FULL_AGAIN_MS = 60_000
const NAMED = 5

/**
 * Returns a function that must be called regularly and told whether all slots of a share are taken. Once all slots have
 * been taken for `FULL_MS`, the function logs `message` with the tasks that have held slots the longest.
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

/** Announces the shutdown on the terminal, or in the log if stdout isn't a terminal. */
function tellStopping(runs: number, graceSeconds: number): void {
  const what = runs === 1 ? '1 run' : `${runs} runs`
  const text = `stopping: waiting up to ${graceSeconds} s for ${what}; press Ctrl-C again to stop now`
  if (process.stdout.isTTY) process.stdout.write(`${text}\n`)
  else logger.info(text)
}

/**
 * Waits until the work is done, `ms` milliseconds have passed or `hurry` aborts, whichever comes first. A database that
 * hangs must not delay the shutdown.
 */
async function within(work: Promise<unknown>, ms: number, hurry: AbortSignal): Promise<void> {
  const done = new AbortController()
  const signal = AbortSignal.any([done.signal, hurry])
  await Promise.race([work, wait(ms, undefined, { signal }).catch(() => {})])
  done.abort()
}
