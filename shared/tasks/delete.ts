import { type Database, type Queryable, retryDeadlock } from '../db.ts'
import { noteChange } from '../scheduling/control/stop-early.ts'
import { addTasks, addTotals, countedColumns } from '../stats/add.ts'

/** Maximum number of ledger rows that one transaction deletes. */
const SLICE = 5000

/**
 * Deletes tasks and their executions. Workers stop the tasks' running executions at the next heartbeat. A long history
 * is deleted in slices, each in its own transaction. The last slice also deletes the tasks. Returns the ids of the
 * tasks that existed. Returns null if some history is still left at `until` (a `performance.now()` time); another call
 * can then continue.
 */
export async function deleteTasks(
  sql: Database,
  ids: number[],
  until = Number.POSITIVE_INFINITY,
): Promise<number[] | null> {
  for (;;) {
    const deleted = await retryDeadlock(() => deleteSlice(sql, ids))
    if (deleted) return deleted
    if (performance.now() >= until) return null
  }
}

/** Returns the ids of the deleted tasks, or null while some of their history remains. */
async function deleteSlice(sql: Database, ids: number[]): Promise<number[] | null> {
  return await sql.begin(async (tx) => {
    // Every write to the ledger holds this lock, so no more history can be added.
    const locked = await tx<{ task_id: number }[]>`
      select task_id from task_state where task_id = any(${ids}::bigint[]) order by task_id for update`
    const taskIds = locked.map((row) => row.task_id)
    const count = await deleteHistory(tx, taskIds)
    if (count === SLICE) return null
    await noteChange(tx)
    await tx`delete from task_state where task_id = any(${taskIds}::int[])`
    await tx`delete from task_stats where task_id = any(${taskIds}::int[])`
    await tx`delete from tasks where id = any(${taskIds}::int[])`
    return taskIds
  })
}

/**
 * Deletes up to `SLICE` rows of the tasks' history, and adds those that aren't rolled up yet to the roll-ups. Returns
 * how many were deleted.
 */
async function deleteHistory(tx: Queryable, taskIds: number[]): Promise<number> {
  // The roll-ups stay where they are until this transaction ends.
  await tx`select from roll_up for share`
  const [{ count }] = await tx<[{ count: number }]>`
    with gone as (
      delete from executions
      where ctid = any(array(
        select ctid from executions where task_id = any(${taskIds}::int[]) limit ${SLICE}
      ))
      returning *
    ),
    of_totals as (
      select ${countedColumns(tx)}
      from gone e, roll_up r
      where e.finished_at >= r.totals_until
        or exists (select from late_settlements l where l.roll_up = 'totals' and l.execution_id = e.id)
    ),
    of_tasks as (
      select ${countedColumns(tx)}
      from gone e, roll_up r
      where e.finished_at >= r.tasks_until
        or exists (select from late_settlements l where l.roll_up = 'tasks' and l.execution_id = e.id)
    ),
    ${addTotals(tx, tx`of_totals`)},
    ${addTasks(tx, tx`of_tasks`)}
    select count(*) from gone`
  return count
}
