import type { Queryable } from '../db.ts'
import { AppError } from '../errors.ts'
import { type Execution, executionColumns } from './execution.ts'
import { getExecution } from './get.ts'

/**
 * Cancels an execution: a queued one is `cancelled` from now on, a running one is asked to stop, which its worker sees at its
 * next heartbeat. No attempt follows. Throws `not_found`, and `conflict` when it has ended.
 */
export async function cancelExecution(sql: Queryable, id: number): Promise<Execution> {
  const [open] = await sql<[Execution?]>`
    with e as (
      update executions
      set cancel_requested_at = coalesce(cancel_requested_at, now()),
        status = case status when 'queued' then 'cancelled' else status end,
        detail = case status when 'queued' then 'cancelled before it started' else detail end,
        finished_at = case status when 'queued' then now() end,
        lease_expires_at = case status when 'queued' then null else lease_expires_at end
      where id = ${id}::bigint and status in ('queued', 'running')
      returning *
    ),
    uncounted as (
      update tasks t
      set runs = t.runs - 1
      from e
      where t.id = e.task_id and e.status = 'cancelled' and e.attempt = 1 and e.trigger = 'schedule'
    )
    select ${executionColumns(sql)} from e`
  if (open) return open
  const ended = await getExecution(sql, id)
  throw new AppError('conflict', `execution ${id} has ended: ${ended.status}`)
}
