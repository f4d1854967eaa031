import * as z from 'zod'
import { notFound } from '../../shared/errors.ts'
import { httpHandler } from '../../shared/http/handler.ts'
import { deleteTasks } from '../../shared/tasks/delete.ts'
import { taskPath } from '../../shared/tasks/task.ts'

export const handler = httpHandler(
  {
    tag: 'Tasks',
    access: 'write',
    summary: 'Delete a task',
    description: 'Deletes a task and its executions. A run in progress is stopped.',
    path: taskPath,
    responses: { 200: { description: 'The task was deleted', body: z.object({ deleted: z.literal(true) }) } },
  },
  async ({ path }, { sql }) => {
    const deleted = await deleteTasks(sql, [path.id])
    if (deleted?.length === 0) throw notFound('task', path.id)
    return { status: 200, body: { deleted: true } }
  },
)
