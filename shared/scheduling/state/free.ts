import type { Fragment, Queryable } from '../../db.ts'
import { fenced, type Held, held } from './fence.ts'

/** Returns the SET clause that frees an execution that is claimed but hasn't started. */
export const freed = (sql: Queryable): Fragment => sql`claim_id = null, unheld_due_at = s.due_at`

/** Frees claimed executions that haven't started. The write is fenced. Returns the number freed. */
export async function freeUnstarted(sql: Queryable, executions: Held[]): Promise<number> {
  const { count } = await sql`
    update task_state s
    set ${freed(sql)}
    from ${held(sql, executions)}
    where ${fenced(sql, 'queued')}`
  return count
}

/**
 * Frees executions whose start was written, but which never ran: they never reached a worker, or were stopped before
 * they were due. They count as never started, so `busy_from` goes back to when the task last began to run. The write is
 * fenced. Returns the number freed.
 */
export async function freeNeverRun(sql: Queryable, executions: Held[]): Promise<number> {
  const { count } = await sql`
    update task_state s
    set status = 'queued', started_at = null, busy_from = ${lastBegan(sql)}, ${freed(sql)}
    from ${held(sql, executions)}
    where ${fenced(sql, 'running')}`
  return count
}

/** Returns when the last occurrence in the ledger began to run, or null if none did. */
const lastBegan = (sql: Queryable): Fragment => sql`(
  select min(e.started_at) from executions e
  where e.task_id = s.task_id and e.scheduled_for = (
    select scheduled_for from executions
    where task_id = s.task_id and started_at is not null
    order by scheduled_for desc
    limit 1
  )
)`
