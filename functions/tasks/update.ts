import { etag, ifMatch } from '../../shared/http/etag.ts'
import { httpHandler } from '../../shared/http/handler.ts'
import { taskPatch } from '../../shared/tasks/input.ts'
import { taskOut, taskPath } from '../../shared/tasks/task.ts'
import { updateTask } from '../../shared/tasks/update.ts'
import { wakeTick } from '../program.ts'

export const handler = httpHandler(
  {
    tag: 'Tasks',
    access: 'write',
    summary: 'Change a task',
    description:
      'Changes any fields except the name and type. Changing the schedule neither loses nor repeats an occurrence.',
    path: taskPath,
    body: taskPatch,
    immutable: ['name', 'type'],
    example: { interval_seconds: 120 },
    responses: {
      200: { description: 'The task', body: taskOut },
      412: { description: "The task's version doesn't match `If-Match`" },
      409: { description: 'The occurrence at `next_run_at` has already been handled' },
    },
  },
  async ({ path, body }, { sql, event }) => {
    const task = await updateTask(sql, path.id, body, ifMatch(event.headers))
    wakeTick(task)
    return { status: 200, body: task, headers: etag(task.version) }
  },
)
