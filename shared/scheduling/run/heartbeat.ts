import { setImmediate } from 'node:timers/promises'
import { BatchSize } from '../../batch-size.ts'
import { isUnreachable, type Queryable, wasTooSlow } from '../../db.ts'
import { logger } from '../../logger.ts'
import type { Claim } from '../claim/claim.ts'
import type { Overdue } from '../health/overdue.ts'
import { fenced, held } from '../state/fence.ts'
import type { GivenUp } from './given-up.ts'
import type { HeldClaim, Stoppable, StopReason } from './held.ts'

/** Milliseconds before a failed beat is repeated. */
const RETRY_MS = 250

/** Milliseconds between two checks of how late the event loop is. */
const WATCH_MS = 100

/** Maximum number of claims that one statement renews, and of runs that one statement checks. */
const BATCH = 2000

type Options = { leaseSeconds: number; overdue: Overdue; givenUp: GivenUp }

/**
 * Renews the leases of all claims that this process holds, at intervals of a third of the lease. Stops runs that were
 * cancelled or have lost their claim, and all runs of a claim whose lease expires without renewal.
 */
export class Heartbeat {
  readonly #held = new Map<string, HeldClaim>()
  readonly #sql: Queryable
  readonly #leaseMs: number
  readonly #overdue: Overdue
  readonly #givenUp: GivenUp
  readonly #batch = new BatchSize(BATCH)
  #timer: NodeJS.Timeout | undefined
  #nextAt = Number.POSITIVE_INFINITY
  #beating = false
  #watch: NodeJS.Timeout | undefined
  /** When the event loop was last found to have been blocked for too long (`performance.now()`). */
  #blockedAt = Number.NEGATIVE_INFINITY
  #isUnreachable = false
  #stopped: StopReason | undefined

  constructor(sql: Queryable, { leaseSeconds, overdue, givenUp }: Options) {
    this.#sql = sql
    this.#leaseMs = leaseSeconds * 1000
    this.#overdue = overdue
    this.#givenUp = givenUp
  }

  /** Whether the last beat failed to reach the database. If so, a new claim couldn't be renewed either. */
  get isCutOff(): boolean {
    return this.#isUnreachable
  }

  /**
   * Holds a claim. If the response that granted its lease took longer to arrive than the lease lasts, the claim is lost
   * from the start. `over` is called when this process is done with the claim.
   */
  hold({ id, executions, clock, since, isExclusive }: Claim, over: () => void): HeldClaim {
    const executionIds = executions.map((execution) => execution.id)
    const leaseEnds = since + this.#leaseMs
    const held: HeldClaim = {
      id,
      executionIds,
      clock,
      isExclusive,
      deadline: 0,
      runs: new Set(),
      left: executionIds.length,
      ended: 0,
      leaseEnds,
      lost: leaseEnds <= performance.now(),
      gone: false,
      expiry: undefined,
      over,
    }
    if (held.lost) this.#givenUp.add(id, executionIds)
    else this.#expireAt(held, leaseEnds)
    this.#watch ??= this.#watchLoop()
    this.#held.set(id, held)
    this.#nextBy(since + this.#leaseMs / 3)
    this.#overdue.oweAtLeast('heartbeat', this.#leaseMs / 3)
    return held
  }

  /**
   * Adds a run. If the claim was lost or all runs were stopped while this run's start was being written, stops this run
   * too.
   */
  add(held: HeldClaim, run: Stoppable): void {
    held.runs.add(run)
    if (held.lost) run.stop('claim_lost')
    else if (this.#stopped) run.stop(this.#stopped)
  }

  forget(held: HeldClaim): void {
    clearTimeout(held.expiry)
    this.#held.delete(held.id)
    if (this.#held.size > 0) return
    clearTimeout(this.#timer)
    this.#nextAt = Number.POSITIVE_INFINITY
    clearInterval(this.#watch)
    this.#watch = undefined
    this.#isUnreachable = false
    this.#overdue.done('heartbeat')
  }

  stopAll(reason: StopReason): void {
    this.#stopped = reason
    for (const { runs } of this.#held.values()) for (const run of runs) run.stop(reason)
  }

  /** Schedules the next beat at `at`, unless a beat is due sooner. */
  #nextBy(at: number): void {
    if (at >= this.#nextAt) return
    this.#nextAt = at
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#beat(), Math.max(0, at - performance.now()))
  }

  #expireAt(held: HeldClaim, leaseEnds: number): void {
    clearTimeout(held.expiry)
    held.leaseEnds = leaseEnds
    held.expiry = setTimeout(() => this.#expire(held), Math.max(0, leaseEnds - performance.now()))
  }

  /**
   * Handles a lease that has expired. Either the database couldn't be reached in time, or this process was blocked.
   * Only this process can tell which. In the first case, it gives the claim up, so that the loss doesn't count. In the
   * second case the loss does count: a task that blocks its process is exactly what `crash_limit` is for.
   */
  #expire(held: HeldClaim): void {
    markLost(held)
    void this.#giveUpUnlessBlocked(held)
  }

  async #giveUpUnlessBlocked({ id, executionIds, leaseEnds }: HeldClaim): Promise<void> {
    // If the event loop was blocked until just now, `#watchLoop` records that during this turn of the loop. Wait for
    // the turn to end.
    await setImmediate()
    if (this.#blockedAt < leaseEnds - this.#leaseMs) this.#givenUp.add(id, executionIds)
  }

  #watchLoop(): NodeJS.Timeout {
    let last = performance.now()
    return setInterval(() => {
      const now = performance.now()
      if (now - last - WATCH_MS > this.#leaseMs / 6) this.#blockedAt = now
      last = now
    }, WATCH_MS)
  }

  /**
   * Renews leases and checks runs, one beat at a time. The next beat comes after a third of the lease, or sooner if
   * this beat failed.
   */
  async #beat(): Promise<void> {
    this.#nextAt = Number.POSITIVE_INFINITY
    if (this.#beating) return
    this.#beating = true
    const since = performance.now()
    const isReached = await this.#renewAll(since)
    if (isReached) await this.#askAboutAll()
    this.#beating = false
    const ends = this.#stillHeld().map(({ leaseEnds }) => leaseEnds)
    // A claim that arrived in the meantime may be the first that needs renewing.
    const due =
      ends.reduce((first, end) => Math.min(first, end), since + this.#leaseMs) - (2 / 3) * this.#leaseMs
    if (this.#held.size > 0) this.#nextBy(isReached ? due : performance.now() + RETRY_MS)
  }

  /** Returns the claims that aren't lost. Other processes recover lost claims. */
  #stillHeld(): HeldClaim[] {
    return [...this.#held.values()].filter(({ lost }) => !lost)
  }

  async #renewAll(since: number): Promise<boolean> {
    const all = this.#stillHeld()
    if (all.length === 0) {
      // No query was sent, so it is still unknown whether the database can be reached.
      this.#overdue.done('heartbeat')
      return true
    }
    try {
      for (let from = 0; from < all.length; from += this.#batch.size) {
        const some = all.slice(from, from + this.#batch.size)
        const renewed = await renew(this.#sql, some, this.#leaseMs / 1000)
        for (const claim of some) this.#keep(claim, renewed.has(claim.id), since)
      }
      this.#batch.worked()
      this.#isUnreachable = false
      if (this.#held.size > 0) this.#overdue.owe('heartbeat', this.#leaseMs / 3)
      return true
    } catch (error) {
      if (wasTooSlow(error)) this.#batch.tooSlow()
      // Only the first failure is logged here; `Overdue` logs the rest.
      if (!this.#isUnreachable) logger.warn('heartbeat failed', { claims: all.length, error: error as Error })
      // If no claim is held, the flag stays false, since no further beat would reset it.
      this.#isUnreachable = isUnreachable(error) && this.#held.size > 0
      this.#overdue.failed('heartbeat', error)
      return false
    }
  }

  #keep(claim: HeldClaim, isRenewed: boolean, since: number): void {
    if (this.#held.get(claim.id) !== claim || claim.lost) return
    if (isRenewed) this.#expireAt(claim, since + this.#leaseMs)
    else markLost(claim)
  }

  /**
   * Checks all runs for cancellations and lost claims. If that fails, perhaps because someone has locked the table, the
   * next beat checks again. The leases are renewed regardless.
   */
  async #askAboutAll(): Promise<void> {
    const running = [...this.#held.values()].flatMap(({ runs }) => [...runs])
    try {
      for (let from = 0; from < running.length; from += BATCH) {
        const some = running.slice(from, from + BATCH)
        const alive = await askAbout(this.#sql, some)
        for (const run of some) {
          const cancelled = alive.get(run.execution.id)
          if (cancelled === undefined) run.stop('claim_lost')
          else if (cancelled) run.stop('cancelled')
        }
      }
    } catch (error) {
      logger.warn('could not check for cancelled runs', { error: error as Error })
    }
  }
}

function markLost(held: HeldClaim): void {
  held.lost = true
  for (const run of held.runs) run.stop('claim_lost')
}

/** Renews leases. Returns the ids of the claims that still exist. */
async function renew(sql: Queryable, held: HeldClaim[], leaseSeconds: number): Promise<Set<string>> {
  const rows = await sql<{ id: string }[]>`
    update claims
    set lease_expires_at = now() + make_interval(secs => ${leaseSeconds})
    where id = any(${held.map(({ id }) => id)}::uuid[])
    returning id`
  return new Set(rows.map((row) => row.id))
}

/** Returns, by execution id, whether each run was asked to stop. Runs that have lost their claims are left out. */
async function askAbout(sql: Queryable, runs: Stoppable[]): Promise<Map<number, boolean>> {
  const executions = runs.map(({ execution }) => execution)
  const rows = await sql<{ id: number; cancelled: boolean }[]>`
    select s.execution_id as id, s.cancel_requested_at is not null as cancelled
    from ${held(sql, executions)}
    join task_state s on ${fenced(sql, 'running')}`
  return new Map(rows.map((row) => [row.id, row.cancelled]))
}
