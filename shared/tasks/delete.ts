import { type Database, retryDeadlock } from '../db.ts'

/** How many rows of the ledger one transaction deletes. */
const SLICE = 5000

/**
 * Deletes tasks and their executions; what runs of them is stopped at its worker's next heartbeat. Returns the ids of
 * those there were. A long history goes in slices, each with its own transaction, and the tasks with the last of them:
 * null when that isn't done at `until` (`performance.now()`), and another call goes on.
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

/** Returns the ids of the deleted tasks; null while some of their history is left. */
async function deleteSlice(sql: Database, ids: number[]): Promise<number[] | null> {
  return await sql.begin(async (tx) => {
    // Whoever writes to the ledger holds the state, so nothing is written after this.
    const locked = await tx<{ task_id: number }[]>`
      select task_id from task_state where task_id = any(${ids}::bigint[]) order by task_id for update`
    const taskIds = locked.map((row) => row.task_id)
    const { count } = await tx`
      delete from executions
      where ctid = any(array(
        select ctid from executions where task_id = any(${taskIds}::int[]) limit ${SLICE}
      ))`
    if (count === SLICE) return null
    await tx`delete from task_state where task_id = any(${taskIds}::int[])`
    await tx`delete from tasks where id = any(${taskIds}::int[])`
    return taskIds
  })
}
