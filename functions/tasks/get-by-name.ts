import { etag } from '../../shared/http/etag.ts'
import { httpHandler } from '../../shared/http/handler.ts'
import { getTaskByName } from '../../shared/tasks/get.ts'
import { taskNamePath } from '../../shared/tasks/input.ts'
import { taskOut } from '../../shared/tasks/task.ts'

export const handler = httpHandler(
  {
    tag: 'Tasks',
    access: 'read',
    summary: 'Get a task by name',
    description: 'Returns the task with this name, like `GET /tasks/{id}`.',
    path: taskNamePath,
    responses: { 200: { description: 'The task', body: taskOut } },
  },
  async ({ path }, { sql }) => {
    const task = await getTaskByName(sql, path.name)
    return { status: 200, body: task, headers: etag(task.version) }
  },
)
