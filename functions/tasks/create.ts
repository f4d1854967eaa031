import { etag } from '../../shared/http/etag.ts'
import { httpHandler } from '../../shared/http/handler.ts'
import { toLink } from '../../shared/http/link.ts'
import { createTask } from '../../shared/tasks/create.ts'
import { taskCreate } from '../../shared/tasks/input.ts'
import { taskOut } from '../../shared/tasks/task.ts'
import { wakeTick } from '../program.ts'

export const handler = httpHandler(
  {
    tag: 'Tasks',
    access: 'write',
    summary: 'Create a task',
    description:
      'Creates a task. An interval task runs immediately unless `next_run_at` or `start_at` is given.',
    body: taskCreate,
    example: {
      name: 'nightly-report',
      type: 'sleep',
      schedule_type: 'interval',
      interval_seconds: 60,
      params: { duration: 1 },
    },
    responses: {
      201: { description: 'The task. The `Location` header has its URL.', body: taskOut },
      409: { description: 'The name is already taken' },
    },
  },
  async ({ body }, { sql }) => {
    const task = await createTask(sql, body)
    wakeTick(task)
    return {
      status: 201,
      body: task,
      headers: { location: toLink(`/tasks/${task.id}`), ...etag(task.version) },
    }
  },
)
