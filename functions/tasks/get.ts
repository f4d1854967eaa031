import { etag } from '../../shared/http/etag.ts'
import { httpHandler } from '../../shared/http/handler.ts'
import { getTask } from '../../shared/tasks/get.ts'
import { taskOut, taskPath } from '../../shared/tasks/task.ts'

export const handler = httpHandler(
  {
    tag: 'Tasks',
    access: 'read',
    summary: 'Get a task',
    description: 'Returns a task, with its next three runs. The `ETag` header is its version.',
    path: taskPath,
    responses: { 200: { description: 'The task', body: taskOut } },
  },
  async ({ path }, { sql }) => {
    const task = await getTask(sql, path.id)
    return { status: 200, body: task, headers: etag(task.version) }
  },
)
