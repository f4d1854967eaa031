import { randomUUID } from 'node:crypto'
import { type Database, type Fragment, isUnreachable, type Queryable } from '../db.ts'
import { type Claimed, loadClaimed, QUICK_MS } from './claimed.ts'
import { type Clock, readClock } from './clock.ts'
import { isRunnable, readDefinitions } from './definition.ts'
import { take } from './state/take.ts'
import { leftToOthers } from './unknown-types.ts'
import { rememberUnreceived } from './unreceived.ts'

/** Executions handed to one worker: whoever holds `id` may start and settle them, as long as its lease lasts. */
export type Claim = {
  id: string
  executions: Claimed[]
  /** By which their instants are told. */
  clock: Clock
  /** Before the lease began, on this process' monotonic clock (`performance.now()`). */
  since: number
  /** No other worker has it: an invocation may be delivered twice, what is claimed within a process comes once. */
  isExclusive: boolean
}

export type ClaimOptions = {
  /** Executions at most. */
  limit: number
  leaseSeconds: number
  /** What falls due within so many milliseconds is claimed too. Default 0. */
  aheadMs?: number
  /** What is due starts with its claim: for workers in this process, which have it the moment it is committed. */
  startsDue?: boolean
  /** Executions of one claim at most; a larger set makes several. Default: all in one. */
  claimSize?: number
  /** Decides what is due: the database's, as the tick has read it. */
  clock: Clock
}

export type Taken = {
  claims: Claim[]
  /** Whether there may be more. */
  more: boolean
}

/** Claims what is queued and nobody holds, the oldest first: retries, run-now, handed back. */
export async function claimQueued(sql: Database, options: ClaimOptions): Promise<Taken> {
  // A paused task's scheduled work waits until it is resumed; what a person asked for by hand runs.
  const due = sql`
    s.unheld_due_at <= ${horizon(options)} and (s.paused_at is null or s.trigger <> 'schedule')`
  return await takenFrom(sql, options, due)
}

/** Of what is queued this many are looked at for what has kept places, the latest first: older ones have had their turn. */
const LATEST = 1000

/** Claims what a person asked for, out of the latest of what is queued: it waits behind no crowd. */
export async function claimByHand(sql: Database, options: ClaimOptions): Promise<Taken> {
  return await takenFrom(sql, options, sql`s.trigger <> 'schedule' and ${isOfTheLatest(sql, options)}`)
}

/** Claims first attempts of tasks that are quick, or new, out of the same: a worker that had no place for them gave them back. */
export async function claimQueuedQuick(sql: Database, options: ClaimOptions): Promise<Taken> {
  const isQuick = sql`
    s.trigger = 'schedule' and s.paused_at is null and s.attempt = 1 and s.started_at is null
      and (s.busy_until is null or s.busy_until - s.busy_from <= ${QUICK_MS} * interval '1 ms')`
  return await takenFrom(sql, options, sql`${isQuick} and ${isOfTheLatest(sql, options)}`)
}

const isOfTheLatest = (sql: Queryable, options: ClaimOptions): Fragment => sql`
  s.unheld_due_at is not null and s.task_id in (
    select task_id from task_state
    where unheld_due_at <= ${horizon(options)} and unheld_due_at is not null
    order by unheld_due_at desc
    limit ${LATEST}
  )`

async function takenFrom(sql: Database, options: ClaimOptions, which: Fragment): Promise<Taken> {
  const since = performance.now()
  const { executions, more } = await claimUnheld(sql, options, which)
  return { claims: toClaims(executions, options.clock, since), more }
}

/** Executions by their claims. `since`: `performance.now()` before the lease was given. */
export function toClaims(executions: Claimed[], clock: Clock, since: number): Claim[] {
  const byClaim = Map.groupBy(executions, (it) => it.claim_id)
  return [...byClaim].map(([id, own]) => ({ id, executions: own, clock, since, isExclusive: true }))
}

/** Claims one task's queued execution, if nobody holds it: what a person asked for need not wait for a tick. */
export async function claimOne(sql: Database, taskId: number, leaseSeconds: number): Promise<Claim[]> {
  const since = performance.now()
  const options = { limit: 1, leaseSeconds, clock: await readClock(sql) }
  const which = sql`s.task_id = ${taskId} and s.unheld_due_at is not null`
  const { executions } = await claimUnheld(sql, options, which)
  return toClaims(executions, options.clock, since)
}

/**
 * Returns what has not started of a claim whose worker was told the ids only; nothing when the claim is gone. Renews its lease, since nobody
 * can tell how long its way took. It may come twice.
 */
export async function loadClaim(
  sql: Queryable,
  id: string,
  taskIds: number[],
  leaseSeconds: number,
): Promise<Claim> {
  const clock = await readClock(sql)
  const since = performance.now()
  const renewed = await sql`
    update claims set lease_expires_at = now() + make_interval(secs => ${leaseSeconds}) where id = ${id}`
  // Its lease is over, or all of it has ended: another worker may have what it held.
  const executions = renewed.count > 0 ? await loadClaimed(sql, id, taskIds) : []
  return { id, executions, clock, since, isExclusive: false }
}

type Unheld = { executions: Claimed[]; more: boolean }

async function claimUnheld(sql: Database, options: ClaimOptions, which: Fragment): Promise<Unheld> {
  const since = performance.now()
  const claimIds: string[] = []
  try {
    return await sql.begin((tx) => takeUnheld(tx, options, which, claimIds))
  } catch (error) {
    // Its transaction may be committed all the same.
    if (isUnreachable(error)) rememberUnreceived(claimIds, since)
    throw error
  }
}

/** Returns what was taken; `claimIds` gets the claims that hold it. */
async function takeUnheld(
  tx: Queryable,
  { limit, leaseSeconds, claimSize = Number.POSITIVE_INFINITY }: ClaimOptions,
  which: Fragment,
  claimIds: string[],
): Promise<Unheld> {
  const locked = await tx<{ task_id: number; definition: number; due_for: number }[]>`
    select s.task_id, s.definition, (extract(epoch from now() - s.due_at) * 1000)::float8 as due_for
    from task_state s
    where ${which} and s.task_id <> all(${leftToOthers()}::int[])
    order by s.unheld_due_at
    limit ${limit}
    for no key update skip locked`
  const { found, left } = await readDefinitions(tx, locked)
  const taken = locked.filter(({ task_id, due_for }) => {
    const task = found.get(task_id)
    return !left.has(task_id) && (!task || isRunnable(task, due_for))
  })
  const executions: Claimed[] = []
  for (const group of Map.groupBy(taken, (_, index) => Math.floor(index / claimSize)).values()) {
    const id = randomUUID()
    claimIds.push(id)
    const taskIds = group.map((row) => row.task_id)
    await take(tx, { id, taskIds, leaseSeconds })
    executions.push(...(await loadClaimed(tx, id, taskIds, found)))
  }
  return { executions, more: locked.length === limit || left.size > 0 }
}

/** Up to when what falls due is claimed. */
export const horizon = ({ clock, aheadMs = 0 }: ClaimOptions): Date => new Date(clock.now.getTime() + aheadMs)
