import type { Queryable } from '../../db.ts'
import { ended, runsWithoutUnrun } from './end.ts'
import { intoLedger, ledgerColumns } from './ledger.ts'
import { PAUSED } from './requeue.ts'

/**
 * Cancels an execution: ends it if it is queued, or asks it to stop if it is running. The worker of a running execution
 * sees the request at its next heartbeat. Returns which of the two happened, or undefined if the execution isn't open.
 */
export async function cancel(
  sql: Queryable,
  { id, taskId }: { id: number; taskId: number },
): Promise<'ended' | 'asked' | undefined> {
  const [queued] = await sql`
    with ended as (
      update task_state s
      set ${ended(sql)}, cancel_requested_at = now(), runs = ${runsWithoutUnrun(sql)}
      where s.task_id = ${taskId}::bigint and s.execution_id = ${id}::bigint and s.status = 'queued'
      returning ${ledgerColumns(sql)}, 'cancelled' as outcome, 'cancelled before it started' as detail,
        'cancelled' as error_code, null as result
    ),
    recorded as (
      ${intoLedger(sql)}
    )
    select from ended`
  if (queued) return 'ended'
  const [running] = await sql`
    update task_state s
    set cancel_requested_at = coalesce(s.cancel_requested_at, now())
    where s.task_id = ${taskId}::bigint and s.execution_id = ${id}::bigint and s.status = 'running'
    returning s.task_id`
  return running && 'asked'
}

/**
 * Cancels the queued scheduled executions of tasks that are being paused. The rows must be locked. Returns the ids of
 * the tasks whose executions were cancelled.
 */
export async function cancelPaused(tx: Queryable, taskIds: number[]): Promise<number[]> {
  const rows = await tx<{ task_id: number }[]>`
    with ended as (
      update task_state s
      set ${ended(tx)}, runs = ${runsWithoutUnrun(tx)}
      where s.task_id = any(${taskIds}::int[]) and s.status = 'queued' and s.trigger = 'schedule'
      returning ${ledgerColumns(tx)}, 'cancelled' as outcome, ${PAUSED} as detail, 'paused' as error_code,
        null as result
    ),
    recorded as (
      ${intoLedger(tx)}
    )
    select task_id from ended`
  return rows.map((row) => row.task_id)
}
