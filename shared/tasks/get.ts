import type { Fragment, Queryable } from '../db.ts'
import { notFound } from '../errors.ts'
import { type Task, type TaskRow, taskColumns, toTask } from './task.ts'

/** Returns a task. Throws `not_found`. */
export const getTask = async (sql: Queryable, id: number): Promise<Task> =>
  (await findTask(sql, sql`t.id = ${id}::bigint`)) ?? missing(id)

/** Returns the task with this name. Throws `not_found`. */
export const getTaskByName = async (sql: Queryable, name: string): Promise<Task> =>
  (await findTask(sql, sql`t.name = ${name}`)) ?? missing(JSON.stringify(name))

/** Returns the id of the task with this name. Throws `not_found`. */
export async function idOfName(sql: Queryable, name: string): Promise<number> {
  const [task] = await sql<[{ id: number }?]>`select id from tasks where name = ${name}`
  return task?.id ?? missing(JSON.stringify(name))
}

async function findTask(sql: Queryable, isWanted: Fragment): Promise<Task | undefined> {
  const [task] = await sql<[TaskRow?]>`
    select ${taskColumns(sql)}
    from tasks t
    join task_state s on s.task_id = t.id
    where ${isWanted}`
  return task && toTask(task)
}

function missing(task: number | string): never {
  throw notFound('task', task)
}
