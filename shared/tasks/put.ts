import type { Database } from '../db.ts'
import { AppError } from '../errors.ts'
import type { Precondition } from '../precondition.ts'
import { createTask } from './create.ts'
import type { TaskCreate } from './input.ts'
import type { Task } from './task.ts'
import { replaceTask } from './update.ts'

/**
 * Creates the task, or replaces the one with the same name, for callers that declare their tasks. Throws `invalid`, and
 * `conflict` if the type would change. Throws `precondition_failed` if `precondition` (If-Match) doesn't allow the
 * task's version, or if it is set but there is no such task.
 */
export async function putTask(
  sql: Database,
  input: TaskCreate,
  precondition: Precondition,
): Promise<{ task: Task; created: boolean }> {
  const replaced = await replaceTask(sql, input, precondition)
  if (replaced) return { task: replaced, created: false }
  if (precondition !== null) throw new AppError('precondition_failed', 'there is no task with this name')
  try {
    return { task: await createTask(sql, input), created: true }
  } catch (error) {
    // A conflict means that another request has just created the task, so it can be replaced.
    const taken = error instanceof AppError && error.code === 'conflict'
    const task = taken && (await replaceTask(sql, input, null))
    if (!task) throw error
    return { task, created: false }
  }
}
