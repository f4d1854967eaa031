import type { Queryable } from '../db.ts'
import { notFound } from '../errors.ts'
import { type Task, type TaskRow, taskColumns, toTask } from './task.ts'

/** Returns a task. Throws `not_found`. */
export async function getTask(sql: Queryable, id: number): Promise<Task> {
  const [task] = await sql<[TaskRow?]>`
    select ${taskColumns(sql)}
    from tasks t
    join task_state s on s.task_id = t.id
    where t.id = ${id}::bigint`
  if (!task) throw notFound('task', id)
  return toTask(task)
}
