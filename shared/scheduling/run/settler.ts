import { setTimeout as wait } from 'node:timers/promises'
import { instantOn } from '../../clock.ts'
import { isUnreachable, wasTooSlow } from '../../db.ts'
import { messageOf } from '../../errors.ts'
import { logger } from '../../logger.ts'
import { failed } from '../../runners/outcome.ts'
import type { SetPools } from '../../set-pools.ts'
import type { ClaimedExecution } from '../claim/claim.ts'
import type { Overdue } from '../health/overdue.ts'
import { explain, reportDropped } from '../settle/dropped.ts'
import { toLedgerEntry } from '../settle/ledger-entry.ts'
import { type DoneClaim, type Settlement, settle } from '../settle/settle.ts'
import type { HeldClaim, HeldExecution } from './held.ts'

/** After a statement, endings are gathered for this many milliseconds, so that the next statement writes several. */
const GATHER_MS = 100
/** Gathering stops at this many endings, since larger statements hardly reduce the cost per ending. */
const ENOUGH = 20
/** Even an urgent ending waits this many milliseconds for others that come at about the same time. */
const TOGETHER_MS = 2
/**
 * An ending is urgent if its task's next occurrence or retry is due within this many milliseconds. Holding it back
 * would leave too little time for an extra tick.
 */
const SOON_MS = 250
/** Maximum number of endings in one statement. */
const BATCH = 2000
/** Maximum total size of the results in one statement, in bytes. A larger result gets a statement of its own. */
const BATCH_BYTES = 4 * 2 ** 20
/** Maximum number of statements in flight, each on its own connection. */
const MAX_IN_FLIGHT = 3
const RETRY_MS = 250

/** How long to collect dropped executions, in milliseconds, before asking the database what happened to them. */
const DROPPED_MS = 100

/** An execution that has ended in this process. */
export type Ending = Settlement & {
  item: HeldExecution
  endedAt: number
  /** The approximate size of its ledger entry, in bytes. */
  bytes: number
}

/** Callbacks that report what the settler did. */
type Listener = {
  /** Called once an ending has been written, or once it's clear that it never will be. */
  settled(ending: Ending, isWritten: boolean): void
  /** Called once this process is done with a claim: its row is gone, or stays until its lease expires. */
  over(claim: HeldClaim): void
}

type Options = {
  pools: SetPools
  overdue: Overdue
  /** How long to gather endings, in milliseconds. Default: `GATHER_MS`. */
  gatherMs?: number
}

/** Writes how executions ended, many in one statement, and removes claims that are done. */
export class Settler {
  readonly #pools: SetPools
  readonly #overdue: Overdue
  readonly #tell: Listener
  readonly #gatherMs: number
  #unwritten = 0
  #endings: Ending[] = []
  #doneClaims: HeldClaim[] = []
  #dropped: ClaimedExecution[] = []
  #timer: NodeJS.Timeout | undefined
  /** When the timer fires, and when the last statement was sent (`performance.now()`). */
  #flushAt = Number.POSITIVE_INFINITY
  #sentAt = Number.NEGATIVE_INFINITY
  #inFlight = 0
  /** Number of urgent jobs that the settler is waiting for, and whether a flush had to wait. */
  #blockers = 0
  #isFlushDue = false

  constructor({ pools, overdue, gatherMs = GATHER_MS }: Options, tell: Listener) {
    this.#pools = pools
    this.#overdue = overdue
    this.#tell = tell
    this.#gatherMs = gatherMs
  }

  /** Delays all statements until `work` is done. `work` is more urgent, and must be short. */
  async after(work: Promise<void>): Promise<void> {
    this.#blockers += 1
    try {
      await work
    } finally {
      this.#blockers -= 1
      if (this.#blockers === 0 && this.#isFlushDue) this.#flush()
    }
  }

  add(ending: Ending): void {
    this.#endings.push(ending)
    if (this.#unwritten === 0) this.#overdue.oweAtLeast('settle', 0)
    this.#unwritten += 1
    this.#flushSoon(this.#endings.length >= ENOUGH || isAwaited(ending))
  }

  /** Removes a claim that has no executions left in this process. */
  remove(claim: HeldClaim): void {
    this.#doneClaims.push(claim)
    this.#flushSoon(!claim.isExclusive)
  }

  /**
   * Logs why an execution lost its claim while it ran. Gathers more executions first, so that the database is asked
   * only once.
   */
  drop(execution: ClaimedExecution): void {
    if (this.#dropped.push(execution) > 1) return
    setTimeout(() => void reportDropped(this.#pools.any, this.#dropped.splice(0)), DROPPED_MS)
  }

  /**
   * Flushes at once if a batch is full. Otherwise waits for `TOGETHER_MS` and, unless `isUrgent`, until `GATHER_MS`
   * after the last statement.
   */
  #flushSoon(isUrgent: boolean): void {
    if (this.#endings.length >= BATCH) {
      this.#flush()
      return
    }
    const now = performance.now()
    const at = Math.max(now + TOGETHER_MS, isUrgent ? 0 : this.#sentAt + this.#gatherMs)
    if (at >= this.#flushAt) return
    clearTimeout(this.#timer)
    this.#flushAt = at
    this.#timer = setTimeout(() => this.#flush(), at - now)
  }

  #flush(): void {
    clearTimeout(this.#timer)
    this.#flushAt = Number.POSITIVE_INFINITY
    while (this.#blockers === 0 && this.#maySend() && this.#hasMore) {
      void this.#send(this.#endings.splice(0, this.#batchSize()), this.#doneClaims.splice(0, BATCH))
    }
    this.#isFlushDue = this.#hasMore
  }

  get #hasMore(): boolean {
    return this.#endings.length + this.#doneClaims.length > 0
  }

  /**
   * Returns whether a statement may be sent. While a statement is in flight, only a full batch is sent on another
   * connection. A smaller batch waits and gathers more endings.
   */
  #maySend(): boolean {
    return this.#inFlight === 0 || (this.#inFlight < MAX_IN_FLIGHT && this.#endings.length >= BATCH)
  }

  #batchSize(): number {
    let bytes = 0
    for (let count = 0; count < BATCH; count += 1) {
      bytes += this.#endings[count]?.bytes ?? 0
      if (bytes > BATCH_BYTES) return Math.max(1, count)
    }
    return BATCH
  }

  async #send(endings: Ending[], doneClaims: HeldClaim[]): Promise<void> {
    this.#inFlight += 1
    this.#sentAt = performance.now()
    await this.#write(endings, doneClaims)
    for (const claim of doneClaims) this.#tell.over(claim)
    this.#inFlight -= 1
    this.#unwritten -= endings.length
    if (this.#unwritten > 0) this.#overdue.owe('settle', 0)
    else this.#overdue.done('settle')
    if (this.#isFlushDue) this.#flush()
  }

  /**
   * Writes endings. If the database can't be reached, retries until the leases expire. An ending that is rejected
   * doesn't hold up the others.
   */
  async #write(endings: Ending[], doneClaims: HeldClaim[]): Promise<void> {
    const done = doneWith(endings, doneClaims)
    try {
      const { ids, gone } = await settle(this.#pools.any, endings, done, this.#pools)
      for (const { claim } of done) claim.gone ||= gone.has(claim.id)
      const missing: Ending[] = []
      for (const ending of endings) {
        if (!ids.has(ending.execution.id)) missing.push(ending)
        else {
          ending.item.claim.ended += 1
          this.#tell.settled(ending, true)
        }
      }
      await this.#explain(missing)
    } catch (error) {
      await this.#retry(endings, doneClaims, error)
    }
  }

  async #retry(endings: Ending[], doneClaims: HeldClaim[], error: unknown): Promise<void> {
    if (isUnreachable(error)) {
      this.#overdue.failed('settle', error)
      this.#pools.failed()
      if (endings.length === 0) return
      await wait(RETRY_MS)
      for (const ending of endings.filter(isLost)) this.#tell.settled(ending, false)
      const held = endings.filter((it) => !isLost(it))
      if (wasTooSlow(error) && held.length > 1) await this.#writeHalves(held, doneClaims)
      else await this.#write(held, doneClaims)
    } else if (endings.length > 1) await this.#writeHalves(endings, doneClaims)
    else for (const ending of endings) await this.#refused(ending, error)
  }

  async #writeHalves(endings: Ending[], doneClaims: HeldClaim[]): Promise<void> {
    const middle = endings.length >> 1
    await this.#write(endings.slice(0, middle), [])
    await this.#write(endings.slice(middle), doneClaims)
  }

  /** Handles an ending that the database rejects: records a failure instead, with the error in its detail. */
  async #refused(ending: Ending, error: unknown): Promise<void> {
    const { id: execution_id, task_id } = ending.execution
    logger.error('execution could not be settled', { execution_id, task_id, error: error as Error })
    const detail = `its outcome could not be written: ${messageOf(error)}`
    const outcome = failed('unwritable', detail, { retryable: false })
    const settled = await settle(
      this.#pools.any,
      [{ ...ending, outcome, entry: toLedgerEntry(outcome) }],
      [],
    ).catch(() => null)
    // If that fails too, the execution stays open until its claim's lease expires.
    this.#tell.settled(ending, settled?.ids.has(execution_id) ?? false)
  }

  /**
   * Handles endings that the last statement didn't write, perhaps because an earlier statement had already written them
   * and its response was lost.
   */
  async #explain(missing: Ending[]): Promise<void> {
    if (missing.length === 0) return
    const written = await explain(this.#pools.any, missing)
    for (const ending of missing) this.#tell.settled(ending, written.has(ending.execution.id))
  }
}

const isLost = ({ item }: Ending): boolean => item.claim.lost

/**
 * Returns whether someone is waiting for an ending to be written: a person, the task's next occurrence or retry, or an
 * invocation, which must last until all of its executions are settled. Endings of second and later attempts count as
 * awaited too: if another task keeps killing the process, each ending that is lost before it is written would count
 * toward the `crash_limit` of its own task.
 */
function isAwaited({ execution, outcome, item: { claim } }: Ending): boolean {
  const { trigger, attempt, next_run_at } = execution
  if (trigger !== 'schedule' || attempt > 1 || !claim.isExclusive) return true
  if ('retryInSeconds' in outcome && (outcome.retryInSeconds ?? SOON_MS) * 1000 <= SOON_MS) return true
  return next_run_at !== null && instantOn(claim.clock, next_run_at) - performance.now() <= SOON_MS
}

/** Returns the claims that are done once these endings are written, along with the claims that are already done. */
function doneWith(endings: Ending[], doneClaims: HeldClaim[]): (DoneClaim & { claim: HeldClaim })[] {
  const counts = new Map<HeldClaim, number>(doneClaims.map((claim) => [claim, 0]))
  for (const { item } of endings) counts.set(item.claim, (counts.get(item.claim) ?? 0) + 1)
  return [...counts]
    .filter(([claim, count]) => claim.left === count)
    .map(([claim, count]) => {
      const isProven = claim.ended + count === claim.executionIds.length
      return { claim, id: claim.id, ends: isProven ? claim.executionIds.length : null }
    })
}
