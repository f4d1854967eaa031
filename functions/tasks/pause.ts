import { notFound } from '../../shared/errors.ts'
import { etag } from '../../shared/http/etag.ts'
import { httpHandler } from '../../shared/http/handler.ts'
import { pauseTasks } from '../../shared/scheduling/control/pause.ts'
import { pauseIn } from '../../shared/tasks/control.ts'
import { getTask } from '../../shared/tasks/get.ts'
import { taskOut, taskPath } from '../../shared/tasks/task.ts'

export const handler = httpHandler(
  {
    tag: 'Tasks',
    access: 'write',
    summary: 'Pause a task',
    description:
      'Pauses a task: its scheduled runs no longer start. A run in progress continues, and manual runs still work.',
    path: taskPath,
    body: pauseIn,
    example: { reason: 'maintenance' },
    bodyOptional: true,
    responses: { 200: { description: 'The task', body: taskOut } },
  },
  async ({ path, body }, { sql }) => {
    const paused = await pauseTasks(sql, [path.id], body)
    if (paused.length === 0) throw notFound('task', path.id)
    const task = await getTask(sql, path.id)
    return { status: 200, body: task, headers: etag(task.version) }
  },
)
