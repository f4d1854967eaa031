import { type Database, retryDeadlock } from '../db.ts'

/**
 * Deletes tasks and their executions; what runs of them is stopped at its worker's next heartbeat. Gives the ids of those
 * there were. The executions go first: settling locks in that order too, and the other one could make both wait for
 * each other. They still can over an execution that is claimed between the two statements, and a counter settles.
 */
export async function deleteTasks(sql: Database, ids: number[]): Promise<number[]> {
  return await retryDeadlock(() =>
    sql.begin(async (tx) => {
      await tx`delete from executions where task_id = any(${ids}::bigint[])`
      const deleted = await tx<{ id: number }[]>`
        delete from tasks where id = any(${ids}::bigint[]) returning id`
      return deleted.map(({ id }) => id)
    }),
  )
}
