import { setImmediate, setTimeout as wait } from 'node:timers/promises'
import { instantOn } from '../../clock.ts'
import { Counters } from '../../counting/counters.ts'
import type { Database } from '../../db.ts'
import { logger, logsInfo } from '../../logger.ts'
import type { Outcome } from '../../runners/outcome.ts'
import { SetPools } from '../../set-pools.ts'
import type { Claim, ClaimedExecution } from '../claim/claim.ts'
import { Overdue } from '../health/overdue.ts'
import { bytesOf, cleanText, toLedgerEntry } from '../settle/ledger-entry.ts'
import { GivenUp } from './given-up.ts'
import { Heartbeat } from './heartbeat.ts'
import type { HeldClaim, HeldExecution, Share } from './held.ts'
import { LATE_MS, whyLate } from './late.ts'
import { Run } from './run.ts'
import { type Ending, Settler } from './settler.ts'
import { Slots, type SlotUse } from './slots.ts'
import { Starter } from './starter.ts'

/** Nothing more is claimed once the params and results in this process add up to this many bytes. */
const HEAVY_BYTES = 48 * 2 ** 20

/** Number of runs that begin before other work gets a turn. */
const RUNS_PER_TURN = 200

type Options = {
  leaseSeconds: number
  defaultTimeoutSeconds: number
  maxRunning: number
  /** A connection that only the heartbeat uses. Default: `sql`. */
  heartbeatSql?: Database
  /** Connections for starts and settlements of a few executions. Default: `sql`. */
  smallSetsSql?: Database
  /** Watches whether heartbeats and settlements are on time. Default: a new instance. */
  overdue?: Overdue
  /** Counts runs. Default: a new instance. */
  counters?: Counters
}

/** A claim that is waiting for `execute`. */
type Accepted = {
  claim: Claim
  held: HeldClaim
  started: HeldExecution[]
  waiting: HeldExecution[]
  over: Promise<void>
}

/**
 * Runs the executions of claims. Each process has one executor, since its heartbeat renews all leases. A claim passes
 * through the methods from `accept` to `#done` in this order:
 *
 *  1. `accept`: the heartbeat holds the claim, and its executions become `HeldExecution`s.
 *  2. `execute`: if an execution's start was written with the claim, it runs immediately. For the other executions, the
 *     starter waits until they are due and a slot is free, and then writes their start.
 *  3. `#runAll`: runs begin.
 *  4. `#onEnd`: a run has ended, and its slot becomes free.
 *  5. `#settle`: the settler writes outcomes, many at once.
 *  6. `#done`: the execution is over. When its claim's last execution is over, so is the claim.
 */
export class Executor {
  readonly #options: Options
  readonly #heartbeat: Heartbeat
  readonly #settler: Settler
  readonly #starter: Starter
  readonly #slots: Slots
  readonly #overdue: Overdue
  readonly #counters: Counters
  readonly #executing = new Set<Promise<void>>()
  readonly #accepted = new Map<string, Accepted>()
  #load = 0
  #bytes = 0
  #dueSoon: { withinMs: number; callback: () => void } | undefined

  constructor(sql: Database, options: Options) {
    const {
      leaseSeconds,
      heartbeatSql = sql,
      smallSetsSql = sql,
      overdue = new Overdue(leaseSeconds),
      counters = new Counters(),
    } = options
    const pools = new SetPools(sql, smallSetsSql)
    this.#options = options
    this.#overdue = overdue
    this.#counters = counters
    this.#slots = new Slots(options.maxRunning)
    this.#heartbeat = new Heartbeat(heartbeatSql, { leaseSeconds, overdue, givenUp: new GivenUp(sql) })
    this.#starter = new Starter(
      { pools, slots: this.#slots },
      {
        started: (items) => void this.#settler.after(this.#runAll(items)),
        dropped: (item) => this.#leave(item),
      },
    )
    this.#settler = new Settler(
      { pools, overdue },
      {
        settled: (ending, isWritten) => this.#settled(ending, isWritten),
        over: (claim) => claim.over(),
      },
    )
  }

  /**
   * Accepts a claim. Once it is accepted, its lease is renewed and its executions count toward `load`. Executions whose
   * start was written with the claim also take slots. Runs begin once `execute` is called.
   */
  accept(claim: Claim): void {
    if (claim.executions.length > 0) this.#accept(claim)
  }

  /** Returns an accepted claim for which `execute` hasn't been called yet. */
  accepted(claimId: string): Claim | undefined {
    return this.#accepted.get(claimId)?.claim
  }

  /** Gives up an accepted claim that can't be executed. The claim is recovered once its lease expires. */
  abandon(claimId: string): void {
    const accepted = this.#accepted.get(claimId)
    if (!accepted) return
    this.#accepted.delete(claimId)
    accepted.held.lost = true
    for (const item of [...accepted.started, ...accepted.waiting]) {
      this.#starter.leave(item)
      this.#leave(item)
    }
  }

  /**
   * Runs a claim's executions, each at its own due time. Accepts the claim if it hasn't been accepted yet. Resolves
   * when each execution has been settled or freed, or has lost its claim. Runs still in progress after `limitMs`
   * milliseconds are stopped.
   */
  async execute(claim: Claim, limitMs: number): Promise<void> {
    if (claim.executions.length === 0) return
    const { held, started, waiting, over } = this.#accepted.get(claim.id) ?? this.#accept(claim)
    this.#accepted.delete(claim.id)
    held.deadline = performance.now() + limitMs
    void this.#runAll(started)
    this.#starter.add(waiting)
    await over
  }

  #accept(claim: Claim): Accepted {
    const { promise: over, resolve } = Promise.withResolvers<void>()
    const held = this.#heartbeat.hold(claim, resolve)
    const started: HeldExecution[] = []
    const waiting: HeldExecution[] = []
    for (const execution of claim.executions) {
      const { started_at, due_at, task } = execution
      const at = instantOn(claim.clock, started_at ?? due_at)
      const item = {
        execution,
        claim: held,
        at,
        mayBeStarted: false,
        share: undefined,
        slotSince: 0,
        before: undefined,
        after: undefined,
        beganAt: 0,
        lateReason: null,
      }
      // If the execution was already due, its start may have been written with the claim.
      if (started_at) started.push(item)
      else waiting.push(item)
      this.#bytes += task.bytes
    }
    this.#load += claim.executions.length
    this.#slots.take(started)
    const accepted = { claim, held, started, waiting, over }
    this.#accepted.set(claim.id, accepted)
    this.#executing.add(over)
    void over.finally(() => this.#executing.delete(over))
    return accepted
  }

  /** Begins runs in groups, so that a thousand runs due at the same time don't hold up other work. */
  async #runAll(items: HeldExecution[]): Promise<void> {
    for (let from = 0; from < items.length; from += RUNS_PER_TURN) {
      const runs = items.slice(from, from + RUNS_PER_TURN).map((item) => this.#run(item))
      await setImmediate()
      for (const run of runs) run.limit()
    }
  }

  #run(item: HeldExecution): Run {
    const { execution, claim } = item
    item.beganAt = performance.now()
    const left = Math.max(0, (claim.deadline - item.beganAt) / 1000)
    const timeoutSeconds = execution.task.timeout_seconds ?? this.#options.defaultTimeoutSeconds
    const dueAt = instantOn(claim.clock, execution.due_at)
    const lateMs = item.beganAt - dueAt
    this.#counters.began(execution.task, lateMs)
    if (logsInfo) logger.info('execution started', { ...keys(execution), late_ms: Math.round(lateMs) })
    if (lateMs >= LATE_MS) {
      const late = { dueAt, slotSince: item.slotSince, attempt: execution.attempt, isOwn: claim.isExclusive }
      item.lateReason = whyLate(late, this.#slots, this.#overdue)
    }
    const run = new Run(item, Math.min(timeoutSeconds, left), this.#onEnd)
    this.#heartbeat.add(claim, run)
    run.begin()
    return run
  }

  /** `outcome` is null if the claim was lost, in which case nothing may be written. */
  readonly #onEnd = (run: Run, outcome: Outcome | null): void => {
    const { item } = run
    item.claim.runs.delete(run)
    this.#starter.leave(item)
    if (outcome) this.#settle(item, outcome)
    else {
      this.#settler.drop(item.execution)
      this.#done(item)
    }
  }

  #settle(item: HeldExecution, outcome: Outcome): void {
    const { execution, at, beganAt, lateReason } = item
    const entry = toLedgerEntry(outcome)
    const bytes = bytesOf(entry)
    const sinceStartMs = beganAt - at >= LATE_MS ? beganAt - at : 0
    const endedAt = performance.now()
    this.#bytes += bytes
    this.#settler.add({ execution, outcome, entry, lateReason, sinceStartMs, endedAt, item, bytes })
  }

  #settled({ item, outcome, bytes, endedAt }: Ending, isWritten: boolean): void {
    this.#bytes -= bytes
    const durationMs = endedAt - item.beganAt
    if (isWritten) this.#counters.ended(item.execution.task, outcome.status, durationMs)
    if (isWritten) report(item.execution, outcome, durationMs)
    this.#done(item)
    const retryIn = 'retryInSeconds' in outcome ? outcome.retryInSeconds : undefined
    if (isWritten && retryIn !== undefined) this.#tellDueSoon(endedAt + retryIn * 1000)
  }

  #done(item: HeldExecution): void {
    const { execution, claim } = item
    this.#leave(item)
    if (execution.next_run_at) this.#tellDueSoon(instantOn(claim.clock, execution.next_run_at))
  }

  /** Removes an execution from its claim. Ends the claim if that was its last execution. */
  #leave({ claim, execution }: HeldExecution): void {
    this.#bytes -= execution.task.bytes
    claim.left -= 1
    this.#load -= 1
    if (claim.left === 0) this.#end(claim)
  }

  /** Ends a claim. The next settlement removes its row, unless the claim was lost or its row is already gone. */
  #end(claim: HeldClaim): void {
    this.#heartbeat.forget(claim)
    if (claim.gone || claim.lost) claim.over()
    else this.#settler.remove(claim)
  }

  #tellDueSoon(dueAt: number): void {
    if (!this.#dueSoon) return
    if (dueAt - performance.now() <= this.#dueSoon.withinMs) this.#dueSoon.callback()
  }

  /**
   * Registers a callback that is called when a run has ended and its task, or its retry, is due within `withinMs`
   * milliseconds. While the run was open, a tick may have passed over the task.
   */
  onDueSoon(withinMs: number, callback: () => void): void {
    this.#dueSoon = { withinMs, callback }
  }

  /** Registers a callback that is called when runs have ended and their slots are free. */
  onFreed(callback: () => void): void {
    this.#starter.onFreed(callback)
  }

  /** Reserves `count` slots for claims that start their executions; a negative count releases them. */
  reserve(count: number): void {
    this.#starter.reserve(count)
  }

  /** Number of executions that have been accepted but not yet settled. */
  get load(): number {
    return this.#load
  }

  /**
   * Whether the last attempt to renew leases failed to reach the database. If so, a new claim couldn't be renewed
   * either.
   */
  get isCutOff(): boolean {
    return this.#heartbeat.isCutOff
  }

  /** Whether the params of accepted executions and the unwritten results have reached `HEAVY_BYTES`. */
  get isHeavy(): boolean {
    return this.#load > 0 && this.#bytes >= HEAVY_BYTES
  }

  get running(): number {
    return this.#slots.taken
  }

  /** Returns how many slots there are, and how many each task type has taken, for each share. */
  slotUse(): SlotUse {
    return this.#slots.use()
  }

  /** Number of further executions, of any kind, that may start now. */
  get freeSlots(): number {
    return this.#starter.freeSlots
  }

  /** Number of manual runs and quick runs that may be claimed while no common slot is free. */
  get quickCapacity(): number {
    return this.#starter.quickCapacity
  }

  /** Whether slots are kept for quick work, and all of them are taken. */
  get isKeptFull(): boolean {
    return this.#slots.keptTotal > 0 && this.#slots.keptFree <= 0
  }

  /**
   * Returns the names of the tasks that have held slots of a share the longest, up to `count` of them, and how long the
   * first of them has held its slot, in milliseconds.
   */
  longest(share: Share, count: number): { names: string[]; ms: number } {
    return this.#slots.longest(share, count)
  }

  /**
   * Starts no more runs, and resolves when all runs have ended. Runs that are still going after `graceMs` milliseconds,
   * or when `hurry` aborts, are stopped and handed back for another process to run.
   */
  async drain(graceMs: number, hurry: AbortSignal): Promise<void> {
    this.#starter.stop()
    const idle = this.#idle()
    const done = new AbortController()
    const signal = AbortSignal.any([done.signal, hurry])
    await Promise.race([idle, wait(graceMs, undefined, { signal }).catch(() => {})])
    done.abort()
    this.#heartbeat.stopAll('shutdown')
    // After a whole lease without a response from the database, nothing is left to hand back: the leases have expired,
    // and other processes recover the claims.
    await Promise.race([idle, wait(this.#options.leaseSeconds * 1000, undefined, { ref: false })])
  }

  /** Waits for all claims, including those that arrive in the meantime. */
  async #idle(): Promise<void> {
    while (this.#executing.size > 0) await Promise.allSettled(this.#executing)
  }
}

const keys = (execution: ClaimedExecution) => ({
  execution_id: execution.id,
  task_id: execution.task_id,
  task_name: execution.task.name,
  attempt: execution.attempt,
})

/** Logs how a run ended: a WARN if it failed, and otherwise an INFO. `retry_in`: seconds until the next attempt. */
function report(execution: ClaimedExecution, outcome: Outcome, durationMs: number): void {
  const hasFailed = outcome.status === 'failed' || outcome.status === 'timeout'
  if (!hasFailed && !logsInfo) return
  const line = {
    ...keys(execution),
    duration_ms: Math.round(durationMs),
    status: outcome.status,
    ...('detail' in outcome && { detail: cleanText(outcome.detail), error_code: outcome.errorCode }),
  }
  if (!hasFailed) logger.info('execution ended', line)
  else if (outcome.retryInSeconds === undefined) logger.warn('execution failed', line)
  else logger.warn('execution failed', { ...line, retry_in: outcome.retryInSeconds })
}
