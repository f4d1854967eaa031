import type { Queryable } from '../db.ts'
import { logger } from '../logger.ts'
import type { Started } from './start.ts'

/** Why a run is stopped before it is done: the reason of its AbortSignal. */
export type StopReason = 'timeout' | 'cancelled' | 'shutdown' | 'claim_lost'

export type Held = {
  readonly execution: Started
  readonly stop: (reason: StopReason) => void
  /** When the lease ends at the latest, on this process' monotonic clock (`performance.now()`, milliseconds). */
  leaseEnds: number
  expiry: NodeJS.Timeout
}

/**
 * Keeps the leases of everything that runs in this process: one statement each third of a lease for all of them.
 * It stops a run that was cancelled or whose claim has passed on, and one whose lease ends unrenewed: another worker may
 * have it by then.
 */
export class Heartbeat {
  readonly #held = new Map<number, Held>()
  readonly #sql: Queryable
  readonly #leaseSeconds: number
  #timer: NodeJS.Timeout | undefined
  #beating = false
  #stopped: StopReason | undefined

  constructor(sql: Queryable, leaseSeconds: number) {
    this.#sql = sql
    this.#leaseSeconds = leaseSeconds
  }

  /** `since`: `performance.now()` before the statement that gave the lease was sent. */
  hold(execution: Started, since: number, stop: Held['stop']): Held {
    const held: Held = { execution, stop, ...this.#lease(since, stop) }
    this.#held.set(execution.id, held)
    this.#timer ??= setInterval(() => void this.#beat(), (this.#leaseSeconds * 1000) / 3)
    if (this.#stopped) stop(this.#stopped)
    return held
  }

  release(held: Held): void {
    clearTimeout(held.expiry)
    this.#held.delete(held.execution.id)
    if (this.#held.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** Also what is held from now on: its start was on its way to the database. */
  stopAll(reason: StopReason): void {
    this.#stopped = reason
    for (const { stop } of this.#held.values()) stop(reason)
  }

  #lease(since: number, stop: Held['stop']): Pick<Held, 'leaseEnds' | 'expiry'> {
    const leaseEnds = since + this.#leaseSeconds * 1000
    return { leaseEnds, expiry: setTimeout(stop, leaseEnds - performance.now(), 'claim_lost') }
  }

  async #beat(): Promise<void> {
    if (this.#beating) return
    this.#beating = true
    const since = performance.now()
    const held = [...this.#held.values()]
    try {
      const rows = await renew(this.#sql, held, this.#leaseSeconds)
      const alive = new Map(rows.map((row) => [row.id, row]))
      for (const one of held) this.#judge(one, alive.get(one.execution.id), since)
    } catch (error) {
      logger.warn('heartbeat failed', { held: held.length, error: error as Error })
    } finally {
      this.#beating = false
    }
  }

  #judge(held: Held, alive: Alive | undefined, since: number): void {
    if (this.#held.get(held.execution.id) !== held) return
    if (alive === undefined) {
      held.stop('claim_lost')
      return
    }
    if (alive.cancelled) held.stop('cancelled')
    if (!alive.renewed) return
    clearTimeout(held.expiry)
    Object.assign(held, this.#lease(since, held.stop))
  }
}

type Alive = { id: number; cancelled: boolean; renewed: boolean }

/**
 * `skip locked`: a row that is being settled at this moment must not be waited for, or both statements could wait for each
 * other. It is alive, but its lease is the old one until the next beat.
 */
async function renew(sql: Queryable, held: Held[], leaseSeconds: number): Promise<Alive[]> {
  const ids = held.map(({ execution }) => execution.id)
  const claims = held.map(({ execution }) => execution.claim_id)
  return await sql<Alive[]>`
    with mine as (
      select * from unnest(${ids}::bigint[], ${claims}::uuid[]) as m (id, claim_id)
    ),
    free as (
      select e.id
      from executions e
      join mine on mine.id = e.id and mine.claim_id = e.claim_id
      where e.status = 'running'
      for update of e skip locked
    ),
    renewed as (
      update executions e
      set lease_expires_at = now() + make_interval(secs => ${leaseSeconds})
      from free
      where e.id = free.id
    )
    select e.id, e.cancel_requested_at is not null as cancelled,
      exists (select from free where free.id = e.id) as renewed
    from executions e
    join mine on mine.id = e.id and mine.claim_id = e.claim_id
    where e.status = 'running'`
}
