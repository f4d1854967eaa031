import { setImmediate, setTimeout as wait } from 'node:timers/promises'
import { config } from '../config.ts'
import { type Database, schedulerDb } from '../db.ts'
import { logger, logsInfo } from '../logger.ts'
import type { Claim } from './claim.ts'
import type { Claimed } from './claimed.ts'
import { type Clock, instantOn } from './clock.ts'
import { giveBackUnstarted } from './give-back.ts'
import { Heartbeat, type HeldClaim } from './heartbeat.ts'
import type { Outcome } from './outcome.ts'
import { cleanText } from './record.ts'
import { Releaser } from './release.ts'
import { Run } from './run.ts'
import { Settler } from './settler.ts'
import { start } from './start.ts'

/** Executions that one statement starts at most. */
const START_BATCH = 500

/**
 * Milliseconds before its instant that an execution's start is written, so that it runs at its instant and not one round trip
 * later: what the statement takes, measured for one and for many at once.
 */
const startLeadMs = (count: number): number => 4 + Math.min(500, count * 0.03)

/** Runs that begin without a pause between them. */
const RUN_TURN = 200

/** What is due and finds no place for so long is given back: another worker may have one. */
const OVERDUE_MS = 1000
const RETRY_MS = 250

type Options = { leaseSeconds: number; defaultTimeoutSeconds: number; maxRunning: number }

/** A claimed execution in this process. */
type Work = {
  execution: Claimed
  claim: HeldClaim
  clock: Clock
  /** On the monotonic clock, its instant, or its start when that is later. */
  at: number
  /** None runs on when its invocation ends. */
  deadline: number
  done(): void
}

/** Runs the executions of claims: start, run, settle. One a process: its heartbeat keeps the claims of all of them. */
export class Executor {
  readonly #sql: Database
  readonly #options: Options
  readonly #heartbeat: Heartbeat
  readonly #settler: Settler
  readonly #toStart = new Releaser<Work>((due) => this.#enqueue(due), startLeadMs)
  readonly #toRun = new Releaser<Work>((due) => void this.#runAll(due))
  readonly #working = new Set<Promise<void>>()
  readonly #expected = new Map<string, () => void>()
  /** Due, and waiting for a place. */
  #ready: Work[] = []
  #overdue: NodeJS.Timeout | undefined
  #taken = 0
  #reserved = 0
  #freeing = false
  #load = 0
  #draining = false
  #ended: () => void = () => {}
  #dueSoon: { withinMs: number; tell: () => void } | undefined

  constructor(sql: Database, options: Options) {
    this.#sql = sql
    this.#options = options
    this.#heartbeat = new Heartbeat(sql, options.leaseSeconds)
    this.#settler = new Settler(sql)
  }

  /** `tell` is called when a run ends and its task is due again within so many milliseconds: a tick may have passed it over. */
  onDueSoon(withinMs: number, tell: () => void): void {
    this.#dueSoon = { withinMs, tell }
  }

  /** `tell` is called when runs have ended. */
  onEnd(tell: () => void): void {
    this.#ended = tell
  }

  /** How many executions it has taken on and not yet settled. */
  get load(): number {
    return this.#load
  }

  /** How many more may run at once; what waits for a place has it already. */
  get room(): number {
    return Math.max(0, this.#free - this.#ready.length)
  }

  get #free(): number {
    return this.#options.maxRunning - this.#taken - this.#reserved
  }

  /** Keeps so many places more for executions that will come started; less than 0 ends that. */
  reserve(count: number): void {
    this.#reserved += count
    this.#startReady()
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
    this.#draining = true
    this.#giveBack([...this.#toStart.clear(), ...this.#ready.splice(0)])
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

  async #takeOn({ id, executions, clock, since, shared }: Claim, deadline: number): Promise<void> {
    this.#expected.get(id)?.()
    this.#expected.delete(id)
    if (executions.length === 0) return
    const claim = this.#heartbeat.hold(id, executions.length, since, shared ?? false)
    this.#load += executions.length
    const { promise, resolve } = Promise.withResolvers<void>()
    const works = executions.map((execution): Work => {
      const at = instantOn(clock, execution.started_at ?? execution.due_at)
      return { execution, claim, clock, deadline, at, done: () => this.#leave(claim, resolve) }
    })
    this.#begin(works.filter(({ execution }) => execution.started_at !== null))
    const waiting = works.filter(({ execution }) => execution.started_at === null)
    if (this.#draining) this.#giveBack(waiting)
    else this.#toStart.add(waiting)
    await promise
  }

  /** One of a claim's executions is done with. */
  #leave(claim: HeldClaim, resolve: () => void): void {
    claim.left -= 1
    this.#load -= 1
    if (claim.left > 0) return
    this.#heartbeat.release(claim)
    if (claim.ended || claim.lost) resolve()
    else this.#settler.end(claim, resolve)
  }

  #enqueue(due: Work[]): void {
    this.#ready.push(...due)
    this.#startReady()
    if (this.#ready.length > 0) this.#overdue ??= setTimeout(() => this.#giveBackOverdue(), OVERDUE_MS)
  }

  #startReady(): void {
    while (this.#ready.length > 0 && this.#free > 0) {
      const count = Math.min(START_BATCH, this.#free)
      const batch = this.#ready.splice(0, count)
      this.#taken += batch.length
      void this.#start(batch)
    }
  }

  #giveBackOverdue(): void {
    this.#overdue = undefined
    const since = performance.now() - OVERDUE_MS
    const overdue = this.#ready.filter(({ at }) => at <= since)
    this.#ready = this.#ready.filter(({ at }) => at > since)
    this.#giveBack(overdue)
    if (this.#ready.length > 0) this.#overdue = setTimeout(() => this.#giveBackOverdue(), OVERDUE_MS)
  }

  /** While the database is away it is tried again, for as long as the lease holds: who has lost it has nothing to start. */
  async #start(batch: Work[]): Promise<void> {
    const held = batch.filter(({ claim }) => !claim.lost)
    try {
      const now = performance.now()
      for (const work of held) work.at = Math.max(work.at, now)
      const started = await start(
        this.#sql,
        held.map(({ execution, at }) => ({ execution, inMs: at - now })),
      )
      this.#toRun.add(held.filter(({ execution }) => started.has(execution.id)))
      for (const work of batch) if (!started.has(work.execution.id)) this.#leavePlace(work)
    } catch (error) {
      logger.warn('executions could not be started', { count: held.length, error: error as Error })
      // They may be started all the same: then the answer got lost, and a second try is refused.
      for (const { claim } of held) claim.doubtful = true
      await wait(RETRY_MS)
      this.#taken -= batch.length
      if (this.#draining) this.#giveBack(batch)
      else this.#enqueue(batch)
    }
  }

  /** They were started with their claim. */
  #begin(started: Work[]): void {
    this.#taken += started.length
    void this.#runAll(started)
  }

  /** In turns, so that a thousand runs of one instant don't hold up everything else. */
  async #runAll(due: Work[]): Promise<void> {
    for (let from = 0; from < due.length; from += RUN_TURN) {
      if (from > 0) await setImmediate()
      for (const work of due.slice(from, from + RUN_TURN)) void this.#run(work)
    }
  }

  async #run(work: Work): Promise<void> {
    const { execution, claim } = work
    const from = performance.now()
    const left = Math.max(0, (work.deadline - from) / 1000)
    const timeoutSeconds = Math.min(
      execution.task.timeout_seconds ?? this.#options.defaultTimeoutSeconds,
      left,
    )
    const lateMs = Math.max(0, from - work.at)
    if (logsInfo) {
      const late_ms = Math.round(from - instantOn(work.clock, execution.due_at))
      logger.info('execution started', { ...keys(execution), late_ms })
    }
    const run = new Run(execution, timeoutSeconds)
    this.#heartbeat.add(claim, run)
    const outcome = await run.outcome
    claim.runs.delete(execution.id)
    const done = (written: boolean | null): void => {
      if (logsInfo || !written) report(execution, written ? outcome : null, performance.now() - from)
      this.#leavePlace(work)
      this.#tellDueSoon(work)
    }
    if (outcome === null) done(false)
    else this.#settler.add({ execution, outcome, claim, lateMs, done })
  }

  #leavePlace(work: Work): void {
    this.#taken -= 1
    work.done()
    this.#placesFreed()
  }

  /** Hundreds end together, and what waits for their places is to start together. */
  #placesFreed(): void {
    if (this.#freeing) return
    this.#freeing = true
    queueMicrotask(() => {
      this.#freeing = false
      this.#startReady()
      this.#ended()
    })
  }

  #giveBack(works: Work[]): void {
    if (works.length > 0) void this.#giveBackUntilDone(works)
  }

  /** While the database is away it is tried again; what can't be given back is free when the lease of its claim ends. */
  async #giveBackUntilDone(works: Work[]): Promise<void> {
    const held = works.filter(({ claim }) => !claim.lost)
    try {
      await giveBackUnstarted(
        this.#sql,
        held.map(({ execution }) => execution),
      )
      for (const work of works) work.done()
    } catch (error) {
      logger.warn('executions could not be given back', { count: held.length, error: error as Error })
      for (const { claim } of held) claim.doubtful = true
      await wait(RETRY_MS)
      await this.#giveBackUntilDone(works)
    }
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

/** Null when its claim had passed on. */
function report(execution: Claimed, outcome: Outcome | null, durationMs: number): void {
  const line = { ...keys(execution), duration_ms: Math.round(durationMs) }
  if (outcome === null) logger.warn('execution dropped: its claim has passed on', line)
  else logger.info('execution ended', { ...line, ...summary(outcome) })
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
  })
  return own
}
