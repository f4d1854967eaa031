import { type Database, retryDeadlock } from '../db.ts'
import { AppError } from '../errors.ts'
import { reopenSchedules } from '../scheduling/control/reopen-schedule.ts'
import { noteChange } from '../scheduling/control/stop-early.ts'
import { cancel } from '../scheduling/state/cancel.ts'
import type { Execution } from './execution.ts'
import { getExecution } from './get.ts'

/**
 * Cancels an execution. A queued execution becomes `cancelled` immediately. A running execution is asked to stop; its
 * worker sees the request at the next heartbeat. Cancelled executions aren't retried. Throws `not_found`, or `conflict`
 * if the execution has already ended.
 */
export async function cancelExecution(sql: Database, id: number): Promise<Execution> {
  const { task_id: taskId, finished_at } = await getExecution(sql, id)
  const cancelled = finished_at === null && (await cancelOpen(sql, id, taskId))
  const execution = await getExecution(sql, id)
  if (cancelled) return execution
  throw new AppError('conflict', `execution ${id} has already ended: ${execution.status}`)
}

/** Cancels the execution if it is open. Returns whether it was. */
async function cancelOpen(sql: Database, id: number, taskId: number): Promise<boolean> {
  return await retryDeadlock(() =>
    sql.begin(async (tx) => {
      const done = await cancel(tx, { id, taskId })
      if (done === 'ended') await reopenSchedules(tx, [taskId])
      if (done === 'asked') await noteChange(tx)
      return done !== undefined
    }),
  )
}
