import { type Database, retryDeadlock } from '../db.ts'
import { AppError } from '../errors.ts'
import { intoLedger, ledgerColumns } from '../scheduling/ledger.ts'
import type { Execution } from './execution.ts'
import { getExecution } from './get.ts'

/**
 * Cancels an execution: a queued one is `cancelled` from now on, a running one is asked to stop, which its worker sees at its
 * next heartbeat. No attempt follows. Throws `not_found`, and `conflict` when it has ended.
 */
export async function cancelExecution(sql: Database, id: number): Promise<Execution> {
  const found = await getExecution(sql, id)
  const cancelled =
    found.finished_at === null &&
    (await retryDeadlock(async () => {
      const rows = await sql`
        with ended as (
          update task_state s
          set cancel_requested_at = coalesce(s.cancel_requested_at, now()),
            status = case s.status when 'running' then s.status end,
            unheld_due_at = null,
            runs = s.runs - (s.status = 'queued' and s.attempt = 1 and s.trigger = 'schedule')::int
          where s.task_id = ${found.task_id} and s.execution_id = ${id}::bigint and s.status is not null
          returning ${ledgerColumns(sql)}, 0 as late_ms, 'cancelled' as outcome, 'cancelled before it started' as detail, null as result
        ),
        recorded as (
          ${intoLedger(sql, sql`where status is null`)}
        )
        select from ended`
      return rows.length > 0
    }))
  const execution = await getExecution(sql, id)
  if (cancelled) return execution
  throw new AppError('conflict', `execution ${id} has ended: ${execution.status}`)
}
