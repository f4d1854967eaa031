import type { Database, Queryable } from '../db.ts'
import { logger } from '../logger.ts'
import type { Run, StopReason } from './run.ts'
import { fenced, held } from './state/fence.ts'

/** A claim of this process. */
export type HeldClaim = {
  readonly id: string
  readonly runs: Set<Run>
  /** How many of its executions this process has not done with. */
  left: number
  /** When the lease ends at the latest, on this process' monotonic clock (`performance.now()`, milliseconds). */
  leaseEnds: number
  /** Its lease is over: nothing of it may be started any more, since another worker may have it. */
  lost: boolean
  /** Its row is gone. */
  gone: boolean
  expiry: NodeJS.Timeout | undefined
}

/**
 * Keeps the leases of all claims that this process holds: one statement each third of a lease. It stops a run that was
 * cancelled or whose claim has passed on, and all of a claim whose lease ends unrenewed.
 */
export class Heartbeat {
  readonly #held = new Map<string, HeldClaim>()
  readonly #sql: Database
  readonly #leaseSeconds: number
  #timer: NodeJS.Timeout | undefined
  #beating = false
  #stopped: StopReason | undefined

  constructor(sql: Database, leaseSeconds: number) {
    this.#sql = sql
    this.#leaseSeconds = leaseSeconds
  }

  /** `since`: `performance.now()` before the statement that gave the lease was sent. */
  hold(id: string, count: number, since: number): HeldClaim {
    const leaseEnds = since + this.#leaseSeconds * 1000
    const held: HeldClaim = {
      id,
      runs: new Set(),
      left: count,
      leaseEnds,
      lost: false,
      gone: false,
      expiry: undefined,
    }
    this.#expireAt(held, leaseEnds)
    this.#held.set(id, held)
    this.#timer ??= setInterval(() => void this.#beat(), (this.#leaseSeconds * 1000) / 3)
    return held
  }

  /** Also stops it at once, when everything was stopped: its start was on its way to the database. */
  add(held: HeldClaim, run: Run): void {
    held.runs.add(run)
    if (held.lost) run.stop('claim_lost')
    else if (this.#stopped) run.stop(this.#stopped)
  }

  release(held: HeldClaim): void {
    clearTimeout(held.expiry)
    this.#held.delete(held.id)
    if (this.#held.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  stopAll(reason: StopReason): void {
    this.#stopped = reason
    for (const { runs } of this.#held.values()) for (const run of runs) run.stop(reason)
  }

  #expireAt(held: HeldClaim, leaseEnds: number): void {
    clearTimeout(held.expiry)
    held.leaseEnds = leaseEnds
    held.expiry = setTimeout(() => lose(held), Math.max(0, leaseEnds - performance.now()))
  }

  async #beat(): Promise<void> {
    if (this.#beating) return
    this.#beating = true
    const since = performance.now()
    const held = [...this.#held.values()]
    const running = held.flatMap(({ runs }) => [...runs])
    try {
      const renewed = await renew(this.#sql, held, this.#leaseSeconds)
      for (const claim of held) {
        if (this.#held.get(claim.id) !== claim || claim.lost) continue
        if (renewed.has(claim.id)) this.#expireAt(claim, since + this.#leaseSeconds * 1000)
        else lose(claim)
      }
      const alive = await askAbout(this.#sql, running, this.#leaseSeconds)
      for (const run of running) {
        const cancelled = alive.get(run.execution.id)
        if (cancelled === undefined) run.stop('claim_lost')
        else if (cancelled) run.stop('cancelled')
      }
    } catch (error) {
      logger.warn('heartbeat failed', { claims: held.length, error: error as Error })
    } finally {
      this.#beating = false
    }
  }
}

function lose(held: HeldClaim): void {
  held.lost = true
  for (const run of held.runs) run.stop('claim_lost')
}

/** Gives the claims that are still there. */
async function renew(sql: Queryable, held: HeldClaim[], leaseSeconds: number): Promise<Set<string>> {
  const rows = await sql<{ id: string }[]>`
    update claims
    set lease_expires_at = now() + make_interval(secs => ${leaseSeconds})
    where id = any(${held.map(({ id }) => id)}::uuid[])
    returning id`
  return new Set(rows.map((row) => row.id))
}

/**
 * Of runs that still hold their task (it may have been deleted), by execution id: whether they were asked to stop. Throws after a sixth of a lease when
 * someone has locked the tasks: the next beat must come in time to renew.
 */
async function askAbout(sql: Database, runs: Run[], leaseSeconds: number): Promise<Map<number, boolean>> {
  const executions = runs.map(({ execution }) => execution)
  const rows = await sql.begin(async (tx) => {
    await tx`select set_config('lock_timeout', ${String(Math.ceil((leaseSeconds * 1000) / 6))}, true)`
    return await tx<{ id: number; cancelled: boolean }[]>`
      select s.execution_id as id, s.cancel_requested_at is not null as cancelled
      from ${held(tx, executions)}
      join task_state s on ${fenced(tx, 'running')}`
  })
  return new Map(rows.map((row) => [row.id, row.cancelled]))
}
