import type { Database, Queryable } from '../../db.ts'
import type { Held } from '../state/fence.ts'
import { freeNeverRun, freeUnstarted } from '../state/free.ts'
import { handBack } from '../state/hand-back.ts'

/** Returns the ids of the claims that still hold an execution. */
export async function claimsInUse(sql: Queryable, claimIds: string[]): Promise<string[]> {
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
 * Frees all executions that the claims still hold. Only for workers that have stopped: a run that is still in progress
 * would overlap with the execution's next run. Returns how many executions were freed.
 */
export async function handBackClaims(sql: Database, claimIds: string[]): Promise<number> {
  return await dropClaims(sql, claimIds, handBack)
}

/**
 * Frees all executions of claims that never reached a worker. None of these executions has run. Returns how many were
 * freed.
 */
export async function freeUnreceived(sql: Database, claimIds: string[]): Promise<number> {
  return await dropClaims(sql, claimIds, freeNeverRun)
}

async function dropClaims(
  sql: Database,
  claimIds: string[],
  freeRunning: (tx: Queryable, executions: Held[]) => Promise<unknown>,
): Promise<number> {
  return await sql.begin(async (tx) => {
    const open = await tx<Held[]>`
      with gone as (
        delete from claims where id = any(${claimIds}::uuid[]) returning id, task_ids
      )
      select s.execution_id as id, s.task_id, s.claim_id
      from gone
      join task_state s on s.task_id = any(gone.task_ids) and s.claim_id = gone.id and s.status is not null
      order by s.task_id`
    await freeUnstarted(tx, open)
    await freeRunning(tx, open)
    return open.length
  })
}
