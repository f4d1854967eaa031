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
 * Frees executions that were marked as running when they were claimed, but never reached a worker. They count as never
 * started. The write is fenced. Returns the number freed.
 */
export async function freeNeverRun(sql: Queryable, executions: Held[]): Promise<number> {
  const { count } = await sql`
    update task_state s
    set status = 'queued', started_at = null, ${freed(sql)}
    from ${held(sql, executions)}
    where ${fenced(sql, 'running')}`
  return count
}
