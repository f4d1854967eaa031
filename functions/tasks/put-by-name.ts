import { etag, ifMatch } from '../../shared/http/etag.ts'
import { httpHandler } from '../../shared/http/handler.ts'
import { toLink } from '../../shared/http/link.ts'
import { taskNamePath, taskPut } from '../../shared/tasks/input.ts'
import { putTask } from '../../shared/tasks/put.ts'
import { taskOut } from '../../shared/tasks/task.ts'
import { wakeTick } from '../program.ts'

export const handler = httpHandler(
  {
    tag: 'Tasks',
    access: 'write',
    summary: 'Create or replace a task by name',
    description:
      'Creates a task, or replaces the task with this name. Omitted fields get their defaults. The call can be repeated, so a service can declare its tasks whenever it starts.',
    path: taskNamePath,
    body: taskPut,
    example: { type: 'sleep', schedule_type: 'interval', interval_seconds: 60, params: { duration: 1 } },
    responses: {
      200: { description: 'The replaced task', body: taskOut },
      201: { description: 'The created task', body: taskOut },
      409: { description: "The task has another type, which can't be changed" },
      412: { description: "The task doesn't exist, or its version doesn't match `If-Match`" },
    },
  },
  async ({ path, body }, { sql, event }) => {
    const { task, created } = await putTask(sql, { ...body, name: path.name }, ifMatch(event.headers))
    wakeTick(task)
    const location = created ? { location: toLink(`/tasks/${task.id}`) } : {}
    return { status: created ? 201 : 200, body: task, headers: { ...location, ...etag(task.version) } }
  },
)
