import { type Database, retryDeadlock } from '../db.ts'

/**
 * Deletes tasks and their executions; what runs of them is stopped at its worker's next heartbeat. Gives the ids of those
 * there were. Their states go first: whoever writes to the ledger holds them, so nothing is written after it was emptied.
 */
export async function deleteTasks(sql: Database, ids: number[]): Promise<number[]> {
  return await retryDeadlock(() =>
    sql.begin(async (tx) => {
      const states = await tx<{ task_id: number }[]>`
        delete from task_state
        where task_id in (
          select task_id from task_state where task_id = any(${ids}::bigint[]) order by task_id for update
        )
        returning task_id`
      const deleted = states.map((row) => row.task_id)
      // A long history takes longer than a statement otherwise may.
      await tx`set local statement_timeout = 0`
      await tx`delete from executions where task_id = any(${deleted}::int[])`
      await tx`delete from tasks where id = any(${deleted}::int[])`
      return deleted
    }),
  )
}
