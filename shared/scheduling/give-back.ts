import type { Database, Queryable } from '../db.ts'
import { fenced, type Held, held } from './fence.ts'
import { intoLedger, ledgerColumns } from './ledger.ts'

/** Those of the claims that still hold an execution. */
export async function openClaims(sql: Queryable, claimIds: string[]): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select c.id
    from claims c
    where c.id = any(${claimIds}::uuid[]) and exists (
      select from task_state s
      where s.task_id = any(c.task_ids) and s.claim_id = c.id and s.status is not null
    )`
  return rows.map((row) => row.id)
}

/**
 * Frees all that the claims still hold. For workers that are gone already: one that still runs would overlap with whoever
 * claims its execution next. Gives how many were freed.
 */
export async function giveBackClaims(sql: Database, claimIds: string[]): Promise<number> {
  return await sql.begin(async (tx) => {
    const open = await tx<Held[]>`
      with gone as (
        delete from claims where id = any(${claimIds}::uuid[]) returning id, task_ids
      )
      select s.execution_id as id, s.task_id, s.claim_id
      from gone
      join task_state s on s.task_id = any(gone.task_ids) and s.claim_id = gone.id and s.status is not null`
    await giveBackUnstarted(tx, open)
    await handBack(tx, open)
    return open.length
  })
}

/** Frees what has not started, for the next claim. */
export async function giveBackUnstarted(sql: Queryable, executions: Held[]): Promise<void> {
  await sql`
    update task_state s
    set claim_id = null, unheld_due_at = s.due_at
    from ${held(sql, executions)}
    where ${fenced(sql, 'queued')}`
}

/**
 * Frees what runs, for the next claim: a shutdown is no attempt. What was asked to stop has stopped. Gives the ids of
 * those that were still held.
 */
export async function handBack(sql: Queryable, executions: Held[]): Promise<number[]> {
  const rows = await sql<{ id: number }[]>`
    with ended as (
      update task_state s
      set status = case when s.cancel_requested_at is null then 'queued' end,
        claim_id = null,
        unheld_due_at = case when s.cancel_requested_at is null then s.due_at end,
        busy_until = now()
      from ${held(sql, executions)}
      where ${fenced(sql, 'running')}
      returning ${ledgerColumns(sql)}, 0 as late_ms, 'cancelled' as outcome, null as detail, null as result
    ),
    stopped as (
      ${intoLedger(sql, sql`where status is null`)}
    )
    select execution_id as id from ended`
  return rows.map((row) => row.id)
}
