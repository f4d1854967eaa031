import { setTimeout as wait } from 'node:timers/promises'
import { config } from '../config.ts'
import { type Database, db, isUnreachable } from '../db.ts'
import { logger } from '../logger.ts'
import { runnerOf } from '../runners/index.ts'
import { backoffSeconds } from './backoff.ts'
import type { Claim } from './claim.ts'
import { giveBackUnstarted } from './give-back.ts'
import { Heartbeat, type Held, type StopReason } from './heartbeat.ts'
import { cancelled, failed, handedBack, type Outcome, timedOut } from './outcome.ts'
import { cleanText, describe } from './record.ts'
import { release } from './release.ts'
import { settle } from './settle.ts'
import { type Started, start } from './start.ts'

const SETTLE_RETRY_MS = 250

type Options = { leaseSeconds: number; defaultTimeoutSeconds: number }

/** Runs the executions of claims: start, run, settle. One a process: its heartbeat keeps what all of them hold. */
export class Executor {
  readonly #sql: Database
  readonly #options: Options
  readonly #heartbeat: Heartbeat
  readonly #working = new Set<Promise<void>>()
  readonly #draining = new AbortController()
  #load = 0
  #ended: () => void = () => {}
  #dueSoon: { withinMs: number; tell: () => void } | undefined

  constructor(sql: Database, options: Options) {
    this.#sql = sql
    this.#options = options
    this.#heartbeat = new Heartbeat(sql, options.leaseSeconds)
  }

  /** `tell` is called when a run ends and its task is due again within so many milliseconds: a tick may have passed it over. */
  onDueSoon(withinMs: number, tell: () => void): void {
    this.#dueSoon = { withinMs, tell }
  }

  /** `tell` is called at the end of each run. */
  onEnd(tell: () => void): void {
    this.#ended = tell
  }

  /** How many executions it has taken on and not yet settled. */
  get load(): number {
    return this.#load
  }

  /**
   * Runs a claim's executions, each at its own instant, and resolves when all are settled or have lost their claim. None runs
   * on when `limitMs` milliseconds are over. Rejects only when they could not be started.
   */
  async execute(claim: Claim, limitMs: number): Promise<void> {
    this.#load += claim.executionIds.length
    const work = this.#startAll(claim, limitMs)
    this.#working.add(work)
    try {
      await work
    } finally {
      this.#working.delete(work)
    }
  }

  /**
   * Starts nothing more, and resolves when nothing runs: after `graceMs` milliseconds, or once `hurry` aborts, what still
   * runs is stopped. It is given back, as is what waits for its instant, for another process to run.
   */
  async drain(graceMs: number, hurry: AbortSignal): Promise<void> {
    this.#draining.abort()
    const idle = this.#idle()
    const done = new AbortController()
    const signal = AbortSignal.any([done.signal, hurry])
    await Promise.race([idle, wait(graceMs, undefined, { signal }).catch(() => {})])
    done.abort()
    this.#heartbeat.stopAll('shutdown')
    // Then no lease is left that could be given back: the database doesn't answer, and others recover them.
    await Promise.race([idle, wait(this.#options.leaseSeconds * 1000, undefined, { ref: false })])
  }

  /** Also what was handed over after the question. */
  async #idle(): Promise<void> {
    while (this.#working.size > 0) await Promise.allSettled(this.#working)
  }

  async #startAll(claim: Claim, limitMs: number): Promise<void> {
    const { leaseSeconds } = this.#options
    const since = performance.now()
    const runs: Promise<void>[] = []
    let left = claim.executionIds.length
    try {
      for await (const ids of release(claim, since, this.#draining.signal)) {
        const startedAt = performance.now()
        const started = await start(this.#sql, { claimId: claim.claimId, executionIds: ids }, leaseSeconds)
        const limit = limitMs - (startedAt - since)
        runs.push(...started.map((execution) => this.#runOne(execution, startedAt, limit)))
        left -= ids.length
        this.#load -= ids.length - started.length
      }
    } finally {
      this.#load -= left
      if (left > 0) await this.#giveBack(claim)
      await Promise.all(runs)
    }
  }

  /** What can't be given back now, since the database is away, is free when its lease ends. */
  async #giveBack(claim: Claim): Promise<void> {
    await giveBackUnstarted(this.#sql, claim).catch((error: Error) => {
      logger.warn('a claim could not be given back', { claim_id: claim.claimId, error })
    })
  }

  async #runOne(execution: Started, since: number, limitMs: number): Promise<void> {
    const timeoutSeconds = Math.min(
      execution.timeout_seconds ?? this.#options.defaultTimeoutSeconds,
      Math.max(0, limitMs / 1000),
    )
    const controller = new AbortController()
    const held = this.#heartbeat.hold(execution, since, (reason) => controller.abort(reason))
    logger.info('execution started', { ...keys(execution), late_ms: lateness(execution) })
    const from = performance.now()
    try {
      const outcome = await runWithin(timeoutSeconds, execution, controller)
      const settled = outcome !== null && (await this.#settle(held, withRetry(execution, outcome)))
      const report = { ...keys(execution), duration_ms: Math.round(performance.now() - from) }
      if (settled) logger.info('execution ended', { ...report, ...summary(outcome) })
      else logger.warn('execution dropped: its claim has passed on', report)
    } catch (error) {
      logger.error('execution could not be settled', { ...keys(execution), error: error as Error })
    } finally {
      this.#heartbeat.release(held)
      this.#load -= 1
      this.#ended()
      this.#tellDueSoon(execution, since)
    }
  }

  /** By the database's clock: as it was at the start, and what has passed since. */
  #tellDueSoon({ next_run_at, started_at }: Started, since: number): void {
    if (!this.#dueSoon || next_run_at === null) return
    const now = started_at.getTime() + (performance.now() - since)
    if (next_run_at.getTime() - now <= this.#dueSoon.withinMs) this.#dueSoon.tell()
  }

  /** While the database is away it is tried again, for as long as the lease may still hold. */
  async #settle(held: Held, outcome: Outcome): Promise<boolean> {
    for (;;) {
      try {
        const settled = await settle(this.#sql, [{ execution: held.execution, outcome }])
        return settled.has(held.execution.id)
      } catch (error) {
        if (!isUnreachable(error) || performance.now() >= held.leaseEnds) throw error
        await wait(SETTLE_RETRY_MS)
      }
    }
  }
}

/** Gives the outcome of the run; null when its claim was lost, so that nothing may be written. */
async function runWithin(
  timeoutSeconds: number,
  execution: Started,
  controller: AbortController,
): Promise<Outcome | null> {
  const { signal } = controller
  if (signal.aborted) return stoppedOutcome(signal.reason as StopReason, timeoutSeconds)
  const timer = setTimeout(() => controller.abort('timeout' satisfies StopReason), timeoutSeconds * 1000)
  const stopped = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
  try {
    return await Promise.race([run(execution, signal), stopped])
  } catch (error) {
    return signal.aborted ? stoppedOutcome(signal.reason as StopReason, timeoutSeconds) : failure(error)
  } finally {
    clearTimeout(timer)
  }
}

async function run(execution: Started, signal: AbortSignal): Promise<Outcome> {
  const runner = runnerOf(execution.type)
  if (!runner) return failed(`no runner for type ${execution.type}`)
  const params = runner.params.safeParse(execution.params)
  if (!params.success) return failed(`bad params: ${params.error.issues.map((it) => it.message).join('; ')}`)
  return await runner.run(params.data, {
    taskId: execution.task_id,
    executionId: execution.id,
    scheduledFor: execution.scheduled_for,
    attempt: execution.attempt,
    idempotencyKey: `task-${execution.task_id}-${execution.trigger}-${execution.scheduled_for.toISOString()}`,
    signal,
  })
}

function stoppedOutcome(reason: StopReason, timeoutSeconds: number): Outcome | null {
  if (reason === 'timeout') return timedOut(timeoutSeconds)
  if (reason === 'cancelled') return cancelled('stopped on request')
  return reason === 'shutdown' ? handedBack : null
}

function failure(error: unknown): Outcome {
  return failed(describe(error))
}

function withRetry(execution: Started, outcome: Outcome): Outcome {
  if (outcome.status !== 'failed' && outcome.status !== 'timeout') return outcome
  const failures = execution.failures + 1
  if (!outcome.retryable || failures >= execution.max_attempts) return outcome
  const { retry_backoff_seconds: base, retry_max_backoff_seconds: cap } = execution
  const backoff = backoffSeconds(base, cap, failures)
  return { ...outcome, retryInSeconds: Math.max(backoff, outcome.notBeforeSeconds ?? 0) }
}

const keys = (execution: Started) => ({
  execution_id: execution.id,
  task_id: execution.task_id,
  task_name: execution.task_name,
  attempt: execution.attempt,
})

const lateness = (execution: Started): number => execution.started_at.getTime() - execution.due_at.getTime()

const summary = (outcome: Outcome) => ({
  status: outcome.status,
  ...('detail' in outcome && { detail: cleanText(outcome.detail) }),
})

let own: Executor | undefined

/** This process' executor. */
export function executor(): Executor {
  const { leaseSeconds, defaultTaskTimeoutSeconds } = config()
  own ??= new Executor(db(), { leaseSeconds, defaultTimeoutSeconds: defaultTaskTimeoutSeconds })
  return own
}
