import { randomUUID } from 'node:crypto'
import { type Database, type Fragment, isUnreachable, type Queryable } from '../../db.ts'
import { hold } from '../state/hold.ts'
import {
  type Claim,
  type Claimed,
  type ClaimedExecution,
  type ClaimOptions,
  horizon,
  QUICK_MS,
  toClaims,
} from './claim.ts'
import type { ClaimMemory } from './claim-memory.ts'
import { loadClaimed } from './load-claim.ts'

/**
 * Claims queued executions that no claim holds, oldest first: retries, manual runs, and executions that were freed or
 * handed back.
 */
export async function claimQueued(
  sql: Database,
  memory: ClaimMemory,
  options: ClaimOptions,
): Promise<Claimed> {
  // Scheduled executions of a paused task wait until it is resumed. Manual runs don't.
  const due = sql`
    s.unheld_due_at <= ${horizon(options)} and (s.paused_at is null or s.trigger <> 'schedule')`
  return await claimWhere(sql, memory, options, due)
}

/** How many of the latest queued executions are considered for kept slots. Older executions have had their turn. */
const LATEST = 1000

/** Claims manual runs among the latest queued executions, so that they don't wait behind a backlog. */
export async function claimManual(
  sql: Database,
  memory: ClaimMemory,
  options: ClaimOptions,
): Promise<Claimed> {
  return await claimWhere(
    sql,
    memory,
    options,
    sql`s.trigger <> 'schedule' and ${isOfTheLatest(sql, options)}`,
  )
}

/**
 * Claims those of the latest queued executions that are first attempts of quick or new tasks. They have been claimed
 * before and then freed, for example by a full worker.
 */
export async function claimQueuedQuick(
  sql: Database,
  memory: ClaimMemory,
  options: ClaimOptions,
): Promise<Claimed> {
  const isQuick = sql`
    s.trigger = 'schedule' and s.paused_at is null and s.attempt = 1 and s.started_at is null
      and (s.busy_until is null or s.busy_until - s.busy_from <= ${QUICK_MS} * interval '1 ms')`
  return await claimWhere(sql, memory, options, sql`${isQuick} and ${isOfTheLatest(sql, options)}`)
}

const isOfTheLatest = (sql: Queryable, options: ClaimOptions): Fragment => sql`
  s.unheld_due_at is not null and s.task_id in (
    select task_id from task_state
    where unheld_due_at <= ${horizon(options)} and unheld_due_at is not null
    order by unheld_due_at desc
    limit ${LATEST}
  )`

async function claimWhere(
  sql: Database,
  memory: ClaimMemory,
  options: ClaimOptions,
  which: Fragment,
): Promise<Claimed> {
  const since = performance.now()
  const { executions, more } = await claimUnheld(sql, memory, options, which)
  return { claims: toClaims(executions, options.clock, since), more }
}

/** Claims one task's queued execution if no claim holds it, so that a manual run needn't wait for a tick. */
export async function claimOne(
  sql: Database,
  memory: ClaimMemory,
  { taskId, leaseSeconds }: { taskId: number; leaseSeconds: number },
): Promise<Claim[]> {
  const since = performance.now()
  const options = { limit: 1, leaseSeconds, clock: await memory.clock.read(sql) }
  const which = sql`s.task_id = ${taskId} and s.unheld_due_at is not null`
  const { executions } = await claimUnheld(sql, memory, options, which)
  return toClaims(executions, options.clock, since)
}

type Unheld = { executions: ClaimedExecution[]; more: boolean }

async function claimUnheld(
  sql: Database,
  memory: ClaimMemory,
  options: ClaimOptions,
  which: Fragment,
): Promise<Unheld> {
  const since = performance.now()
  const claimIds: string[] = []
  try {
    return await sql.begin((tx) => claimUnheldIn(tx, memory, { options, which, claimIds }))
  } catch (error) {
    // The transaction may have been committed anyway.
    if (isUnreachable(error)) memory.unreceived.add(claimIds, since)
    throw error
  }
}

/** Returns the claimed executions, and adds the ids of their claims to `claimIds`. */
async function claimUnheldIn(
  tx: Queryable,
  { workerId, definitions, unknownTypes }: ClaimMemory,
  { options, which, claimIds }: { options: ClaimOptions; which: Fragment; claimIds: string[] },
): Promise<Unheld> {
  const { limit, leaseSeconds, claimSize = Number.POSITIVE_INFINITY } = options
  const locked = await tx<{ task_id: number; definition: number; due_for: number }[]>`
    select s.task_id, s.definition, (extract(epoch from now() - s.due_at) * 1000)::float8 as due_for
    from task_state s
    where ${which} and s.task_id <> all(${unknownTypes.taskIds()}::int[])
    order by s.unheld_due_at
    limit ${limit}
    for no key update skip locked`
  const { found, left } = await definitions.read(tx, locked)
  const runnable = locked.filter(({ task_id, due_for }) => {
    const task = found.get(task_id)
    return !left.has(task_id) && (!task || unknownTypes.isRunnable(task, due_for))
  })
  const executions: ClaimedExecution[] = []
  for (const group of Map.groupBy(runnable, (_, index) => Math.floor(index / claimSize)).values()) {
    const id = randomUUID()
    claimIds.push(id)
    const taskIds = group.map((row) => row.task_id)
    await hold(tx, { id, workerId, taskIds, leaseSeconds })
    executions.push(...(await loadClaimed(tx, id, taskIds, found)))
  }
  return { executions, more: locked.length === limit || left.size > 0 }
}
