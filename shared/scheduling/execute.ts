import { setImmediate, setTimeout as wait } from 'node:timers/promises'
import { config } from '../config.ts'
import { type Database, heartbeatDb, schedulerDb } from '../db.ts'
import { logger, logsInfo } from '../logger.ts'
import type { Claim } from './claim.ts'
import type { Claimed } from './claimed.ts'
import { instantOn } from './clock.ts'
import { GivenUp } from './given-up.ts'
import { Heartbeat } from './heartbeat.ts'
import { LATE_MS, whyLate } from './late.ts'
import type { Outcome } from './outcome.ts'
import { Overdue, overdue } from './overdue.ts'
import { Places, type Share } from './places.ts'
import { bytesOf, cleanText, toRecord } from './record.ts'
import { Run } from './run.ts'
import { type Ending, Settler } from './settler.ts'
import { Starter } from './starter.ts'
import type { Work } from './work.ts'

/** Bytes of what the executions in hand were given and gave, from which on no more are claimed. */
const HEAVY_BYTES = 48 * 2 ** 20

/** Runs that begin without a pause between them. */
const RUN_TURN = 200

type Options = {
  leaseSeconds: number
  defaultTimeoutSeconds: number
  maxRunning: number
  /** A connection for the heartbeat alone. Default: one of the others. */
  heartbeatSql?: Database
  /** What watches over the heartbeat and the settlements. */
  overdue?: Overdue
}

/** Runs the executions of claims: start, run, settle. One a process: its heartbeat keeps the claims of all of them. */
export class Executor {
  readonly #options: Options
  readonly #heartbeat: Heartbeat
  readonly #settler: Settler
  readonly #starter: Starter
  readonly #places: Places
  readonly #overdue: Overdue
  readonly #working = new Set<Promise<void>>()
  readonly #expected = new Map<string, () => void>()
  #load = 0
  #bytes = 0
  #dueSoon: { withinMs: number; tell: () => void } | undefined

  constructor(sql: Database, options: Options) {
    const { leaseSeconds, heartbeatSql = sql, overdue = new Overdue(leaseSeconds) } = options
    this.#options = options
    this.#heartbeat = new Heartbeat(heartbeatSql, { leaseSeconds, overdue, givenUp: new GivenUp(sql) })
    this.#settler = new Settler(sql, overdue, {
      ended: (ending, written) => this.#settled(ending, written),
      over: (claim) => claim.over(),
    })
    this.#places = new Places(options.maxRunning)
    this.#overdue = overdue
    this.#starter = new Starter(sql, this.#places, {
      now: (due) => void this.#settler.after(this.#runAll(due)),
      late: (due) => void this.#runAll(due),
      never: (work) => this.#leave(work),
    })
  }

  /** `tell` is called when a run ends and its task is due again within so many milliseconds: a tick may have passed it over. */
  onDueSoon(withinMs: number, tell: () => void): void {
    this.#dueSoon = { withinMs, tell }
  }

  /** `tell` is called when runs have ended. */
  onEnd(tell: () => void): void {
    this.#starter.onFreed(tell)
  }

  /** How many executions it has taken on and not yet settled. */
  get load(): number {
    return this.#load
  }

  /** It can't renew its leases: what it claimed now it could not keep. */
  get isCutOff(): boolean {
    return this.#heartbeat.isCutOff
  }

  /** The params of what it has taken on, and the results that aren't written yet, are as many bytes as it should hold. */
  get isHeavy(): boolean {
    return this.#bytes >= HEAVY_BYTES
  }

  /** How many run. */
  get running(): number {
    return this.#starter.running
  }

  /** How many more may run at once, whatever they are. */
  get room(): number {
    return this.#starter.room
  }

  /** How many may be claimed that are quick, or run by hand, when there is no room for others. */
  get quickRoom(): number {
    return this.#starter.quickRoom
  }

  /** There are kept places, and all are taken. */
  get isKeptFull(): boolean {
    return this.#places.kept > 0 && this.#places.keptFree <= 0
  }

  /** The names of the tasks that have held such places for longest, and for how many milliseconds the first of them has. */
  longest(share: Share, count: number): { names: string[]; ms: number } {
    return this.#places.longest(share, count)
  }

  /** Keeps so many places more for executions that will come started; less than 0 ends that. */
  reserve(count: number): void {
    this.#starter.reserve(count)
  }

  /** Resolves once `execute` was called with this claim: from then on its executions count. */
  async taken(claimId: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#expected.set(claimId, resolve)
    await promise
  }

  /**
   * Runs a claim's executions, each at its own instant, and resolves when all are settled, given back, or have lost their claim.
   * None runs on when `limitMs` milliseconds are over.
   */
  async execute(claim: Claim, limitMs: number): Promise<void> {
    const work = this.#takeOn(claim, performance.now() + limitMs)
    this.#working.add(work)
    await work.finally(() => this.#working.delete(work))
  }

  /**
   * Starts nothing more, and resolves when nothing runs: after `graceMs` milliseconds, or once `hurry` aborts, what still
   * runs is stopped. It is given back, as is what waits for its instant, for another process to run.
   */
  async drain(graceMs: number, hurry: AbortSignal): Promise<void> {
    this.#starter.stop()
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

  async #takeOn({ id, executions, clock, since, isExclusive }: Claim, deadline: number): Promise<void> {
    this.#expected.get(id)?.()
    this.#expected.delete(id)
    if (executions.length === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const ids = executions.map((execution) => execution.id)
    const claim = this.#heartbeat.hold(id, ids, since, resolve)
    this.#load += executions.length
    const works = executions.map((execution): Work => {
      this.#bytes += execution.task.bytes
      const at = instantOn(clock, execution.started_at ?? execution.due_at)
      return {
        execution,
        claim,
        clock,
        at,
        deadline,
        isExclusive,
        mayBeStarted: false,
        place: undefined,
        beganAt: 0,
        lateReason: null,
      }
    })
    this.#starter.addStarted(works.filter(({ execution }) => execution.started_at !== null))
    this.#starter.add(works.filter(({ execution }) => execution.started_at === null))
    await promise
  }

  /** One of a claim's executions is done with: settled, given back, or lost. */
  #leave({ claim, execution }: Work): void {
    this.#bytes -= execution.task.bytes
    claim.left -= 1
    this.#load -= 1
    if (claim.left > 0) return
    this.#heartbeat.release(claim)
    if (claim.gone || claim.lost) claim.over()
    else this.#settler.end(claim)
  }

  /** In turns, so that a thousand runs of one instant don't hold up everything else. */
  async #runAll(due: Work[]): Promise<void> {
    for (let from = 0; from < due.length; from += RUN_TURN) {
      const runs = due.slice(from, from + RUN_TURN).map((work) => this.#run(work))
      await setImmediate()
      for (const run of runs) run.limit()
    }
  }

  #run(work: Work): Run {
    const { execution, claim, isExclusive } = work
    work.beganAt = performance.now()
    const left = Math.max(0, (work.deadline - work.beganAt) / 1000)
    const timeoutSeconds = Math.min(
      execution.task.timeout_seconds ?? this.#options.defaultTimeoutSeconds,
      left,
    )
    const dueAt = instantOn(work.clock, execution.due_at)
    const lateMs = work.beganAt - dueAt
    if (logsInfo) logger.info('execution started', { ...keys(execution), late_ms: Math.round(lateMs) })
    if (lateMs >= LATE_MS) {
      const late = { dueAt, attempt: execution.attempt, isOwn: isExclusive }
      work.lateReason = whyLate(late, this.#places, this.#overdue)
    }
    const run = new Run(work, timeoutSeconds, this.#onEnd)
    this.#heartbeat.add(claim, run)
    run.begin()
    return run
  }

  readonly #onEnd = (run: Run, outcome: Outcome | null): void => {
    const { work } = run
    work.claim.runs.delete(run)
    // What it still waits for is the ledger, which takes no place.
    this.#starter.leave(work)
    if (outcome === null) {
      this.#settler.drop(work.execution)
      this.#done(work)
    } else this.#settle(work, outcome)
  }

  #settle(work: Work, outcome: Outcome): void {
    const { execution, at, beganAt, lateReason } = work
    const record = toRecord(outcome)
    const bytes = bytesOf(record)
    const sinceStartMs = beganAt - at >= LATE_MS ? beganAt - at : 0
    this.#bytes += bytes
    this.#settler.add({ execution, outcome, record, lateReason, sinceStartMs, work, bytes })
  }

  #settled({ work, outcome, bytes }: Ending, written: boolean): void {
    this.#bytes -= bytes
    if (logsInfo && written) report(work.execution, outcome, performance.now() - work.beganAt)
    this.#done(work)
  }

  #done(work: Work): void {
    this.#leave(work)
    this.#tellDueSoon(work)
  }

  #tellDueSoon({ execution: { next_run_at }, clock }: Work): void {
    if (!this.#dueSoon || next_run_at === null) return
    if (instantOn(clock, next_run_at) - performance.now() <= this.#dueSoon.withinMs) this.#dueSoon.tell()
  }
}

const keys = (execution: Claimed) => ({
  execution_id: execution.id,
  task_id: execution.task_id,
  task_name: execution.task.name,
  attempt: execution.attempt,
})

function report(execution: Claimed, outcome: Outcome, durationMs: number): void {
  logger.info('execution ended', {
    ...keys(execution),
    duration_ms: Math.round(durationMs),
    ...summary(outcome),
  })
}

const summary = (outcome: Outcome) => ({
  status: outcome.status,
  ...('detail' in outcome && { detail: cleanText(outcome.detail) }),
})

let own: Executor | undefined

/** This process' executor. */
export function executor(): Executor {
  const { leaseSeconds, defaultTaskTimeoutSeconds, maxConcurrentExecutions } = config()
  own ??= new Executor(schedulerDb(), {
    leaseSeconds,
    defaultTimeoutSeconds: defaultTaskTimeoutSeconds,
    maxRunning: maxConcurrentExecutions,
    heartbeatSql: heartbeatDb(),
    overdue: overdue(),
  })
  return own
}
