import type { Clock } from '../../clock.ts'
import { type Database, wasTooSlow } from '../../db.ts'
import type { Claimed, ClaimOptions } from './claim.ts'
import { claimDue, type Locked } from './claim-due.ts'
import type { ClaimMemory } from './claim-memory.ts'
import { claimManual, claimQueued, claimQueuedQuick } from './claim-queued.ts'
import { type Dispatcher, dispatch } from './dispatch.ts'
import type { Position } from './lock-due.ts'

/**
 * Maximum number of claims in flight, each on its own connection. While this process plans and writes one claim, the
 * server locks the tasks for the next one.
 */
const MAX_IN_FLIGHT = 3

/** Milliseconds after which a long tick reads the clock again, since more tasks may have come due. */
const CLOCK_MS = 250

/**
 * How long a tick may keep claiming, in milliseconds. Repairs and retries must not wait until a backlog has been
 * cleared.
 */
const LIMIT_MS = 5000

type Options = {
  leaseSeconds: number
  /** Also claims tasks that become due within this many milliseconds. Default: 0. */
  aheadMs?: number
  clock: Clock
  /** Whether the clock is fixed. For tests that span days. */
  isFixed: boolean
}

/** The kinds of work that the tick has found. */
export type Findings = {
  /** Whether something is due. */
  isDueNow: boolean
  /** Whether something is due now or soon. */
  isDueSoon: boolean
  /** Whether there is a queued execution, not held by any claim, that is due now or soon. */
  hasQueued: boolean
  /** Whether a schedule's next occurrence is due now or soon. */
  hasScheduled: boolean
}

/** A claim in flight. `locked` resolves first, once the claim has locked its tasks. */
type Claiming = { locked?: Promise<Locked>; claimed: Promise<Claimed> }

/**
 * Claims in batches until nothing is left or the workers are full, and dispatches each claim. Manual runs come first,
 * then executions that are due, then executions that will be due soon. Returns how many executions were claimed, and
 * the ids of the claims.
 */
export async function claimAll(
  sql: Database,
  dispatcher: Dispatcher,
  memory: ClaimMemory,
  options: Options,
  { isDueNow, isDueSoon, hasQueued, hasScheduled }: Findings,
): Promise<{ claimed: number; claimIds: string[] }> {
  const claimer = new Claimer(sql, dispatcher, memory, options)
  if (hasQueued) await claimer.manual(hasScheduled)
  for (const startsDue of [true, false]) {
    if (!isDueNow && (startsDue || !isDueSoon)) continue
    // Queued executions, such as retries, get only half of the capacity here. Scheduled executions come next.
    if (hasQueued && hasScheduled) await claimer.queued(startsDue, await claimer.queuedShare(startsDue))
    await claimer.scheduled(startsDue)
    if (hasQueued) await claimer.queued(startsDue)
  }
  if (hasQueued) await claimer.quickQueued()
  if (hasScheduled) await claimer.quickScheduled()
  return { claimed: claimer.claimed, claimIds: claimer.claimIds }
}

class Claimer {
  readonly #sql: Database
  readonly #dispatcher: Dispatcher
  readonly #memory: ClaimMemory
  readonly #options: Options
  /** The time at which claiming stops, on this process's monotonic clock. */
  readonly #until = performance.now() + LIMIT_MS
  claimed = 0
  readonly claimIds: string[] = []
  /** Maximum number of executions that claims in flight can still return. */
  #inFlight = 0

  constructor(sql: Database, dispatcher: Dispatcher, memory: ClaimMemory, options: Options) {
    this.#sql = sql
    this.#dispatcher = dispatcher
    this.#memory = memory
    this.#options = { ...options }
  }

  get #isTimeUp(): boolean {
    return performance.now() > this.#until
  }

  /**
   * Claims manual runs, even if only kept slots are free. While scheduled executions are due, manual runs get the kept
   * slots and half of the others, since a single call can rerun thousands of tasks.
   */
  async manual(hasScheduled: boolean): Promise<void> {
    const { now, ahead, quick = 0 } = await this.#dispatcher.capacity()
    const common = Math.max(0, now, ahead)
    const share = hasScheduled ? this.#memory.manualShare.of(common) : common
    const limit = Math.min(this.#memory.batch.size, Math.max(0, quick - common) + share)
    if (limit <= 0) return
    const options = this.#claimOptions(limit, false)
    await this.#finish(options, { claimed: claimManual(this.#sql, this.#memory, options) })
  }

  /** Claims at most `share` queued executions. */
  async queued(startsDue: boolean, share = Number.POSITIVE_INFINITY): Promise<void> {
    for (let left = share; left > 0 && !this.#isTimeUp; ) {
      await this.#refreshClock()
      const limit = Math.min(left, await this.#capacity(startsDue))
      if (limit <= 0) return
      const options = this.#claimOptions(limit, startsDue)
      const hasMore = await this.#finish(options, { claimed: claimQueued(this.#sql, this.#memory, options) })
      left = hasMore ? left - limit : 0
    }
  }

  /** Returns how many queued executions may be claimed: half of the capacity. The rest is for scheduled executions. */
  async queuedShare(startsDue: boolean): Promise<number> {
    return this.#memory.queuedShare.of(await this.#capacity(startsDue))
  }

  /**
   * Claims due occurrences. Tasks claimed early in a long scan may be due again by the time it ends, so another scan
   * follows.
   */
  async scheduled(startsDue: boolean): Promise<void> {
    let hasMore = true
    while (hasMore && !this.#isTimeUp) hasMore = await this.#scan(startsDue)
    // The next tick claims the rest.
    if (hasMore) this.#dispatcher.nudge?.()
  }

  /**
   * Claims batch after batch, each starting where the previous one ended. Returns whether another scan may find more.
   */
  async #scan(startsDue: boolean): Promise<boolean> {
    const claims = new Set<Promise<unknown>>()
    let after: Position | undefined
    let hasMore = false
    let hasFailed = false
    try {
      do {
        await this.#refreshClock()
        const limit = await this.#waitForCapacity(startsDue, claims)
        if (limit <= 0) return false
        const options = this.#claimOptions(limit, startsDue)
        const which = limit < this.#memory.batch.size ? 'both' : 'oldest'
        const due = claimDue(this.#sql, this.#memory, { ...options, which, ...(after && { after }) })
        const claim = this.#finish(options, due).then((more) => {
          hasMore ||= more
          claims.delete(claim)
        })
        claim.catch(() => {
          hasFailed = true
        })
        claims.add(claim)
        const { last } = await due.locked
        if (!last) break
        after = last
      } while (!hasFailed && !this.#isTimeUp)
      await Promise.all(claims)
      return after !== undefined || hasMore
    } finally {
      await Promise.allSettled(claims)
    }
  }

  /**
   * Returns how many executions the next claim may include. If there is no free connection or no capacity, waits for a
   * claim in flight to end. Returns 0 only if there is no capacity and no claim is in flight.
   */
  async #waitForCapacity(startsDue: boolean, claims: Set<Promise<unknown>>): Promise<number> {
    for (;;) {
      const isAlone = claims.size === 0
      const limit = claims.size < MAX_IN_FLIGHT ? await this.#capacity(startsDue) : 0
      if (limit > 0 || isAlone) return limit
      // All claims may have ended while the capacity was being read.
      if (claims.size > 0) await Promise.race(claims)
    }
  }

  async quickQueued(): Promise<void> {
    await this.#inQuickCapacity((options) => ({
      claimed: claimQueuedQuick(this.#sql, this.#memory, options),
    }))
  }

  async quickScheduled(): Promise<void> {
    await this.#inQuickCapacity((options) =>
      claimDue(this.#sql, this.#memory, { ...options, which: 'quick' }),
    )
  }

  /** Claims quick work for the kept slots if no common slot is left. */
  async #inQuickCapacity(claim: (options: ClaimOptions) => Claiming): Promise<void> {
    const { ahead, quick = 0 } = await this.#dispatcher.capacity()
    if (quick <= 0 || ahead > 0) return
    await this.#refreshClock()
    const options = this.#claimOptions(Math.min(this.#memory.batch.size, quick), false)
    await this.#finish(options, claim(options))
  }

  async #capacity(startsDue: boolean): Promise<number> {
    const { now, ahead } = await this.#dispatcher.capacity()
    return Math.min(
      this.#memory.batch.size,
      startsDue ? now : this.#memory.batch.size,
      ahead - this.#inFlight,
    )
  }

  async #refreshClock(): Promise<void> {
    const { isFixed, clock } = this.#options
    if (isFixed || performance.now() - clock.readAt <= CLOCK_MS) return
    this.#options.clock = await this.#memory.clock.read(this.#sql)
  }

  #claimOptions(limit: number, startsDue: boolean): ClaimOptions {
    const { clock, leaseSeconds, aheadMs = 0 } = this.#options
    const { claimSize } = this.#dispatcher
    const horizon = startsDue ? 0 : aheadMs
    return { limit, startsDue, clock, leaseSeconds, aheadMs: horizon, ...(claimSize && { claimSize }) }
  }

  /**
   * Reserves slots for a claim while it is in flight, waits for it, and dispatches it. Returns whether there may be
   * more to claim.
   */
  async #finish({ limit, startsDue }: ClaimOptions, { locked, claimed }: Claiming): Promise<boolean> {
    const reserve = (count: number): void => {
      this.#inFlight += count
      if (startsDue) this.#dispatcher.reserve?.(count)
    }
    let reserved = limit
    reserve(limit)
    try {
      if (locked) {
        const { count } = await locked
        reserve(count - limit)
        reserved = count
      }
      const { claims, more } = await claimed
      const count = claims.reduce((sum, { executions }) => sum + executions.length, 0)
      this.claimed += count
      this.#memory.counters.claims += claims.length
      this.#memory.counters.claimedExecutions += count
      this.claimIds.push(...claims.map(({ id }) => id))
      await dispatch(this.#sql, this.#dispatcher, claims)
      this.#memory.batch.worked()
      return more
    } catch (error) {
      if (wasTooSlow(error)) this.#memory.batch.tooSlow()
      throw error
    } finally {
      reserve(-reserved)
    }
  }
}
