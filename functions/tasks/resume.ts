import { notFound } from '../../shared/errors.ts'
import { etag } from '../../shared/http/etag.ts'
import { httpHandler } from '../../shared/http/handler.ts'
import { resumeTasks } from '../../shared/scheduling/control/pause.ts'
import { resumeIn } from '../../shared/tasks/control.ts'
import { getTask } from '../../shared/tasks/get.ts'
import { taskOut, taskPath } from '../../shared/tasks/task.ts'
import { wakeTick } from '../program.ts'

export const handler = httpHandler(
  {
    tag: 'Tasks',
    access: 'write',
    summary: 'Resume a task',
    description:
      "Resumes a task. Occurrences that became due during the pause are skipped or, if `missed` is `policy`, handled by the task's misfire policy.",
    path: taskPath,
    body: resumeIn,
    example: { missed: 'skip' },
    bodyOptional: true,
    responses: { 200: { description: 'The task', body: taskOut } },
  },
  async ({ path, body }, { sql }) => {
    const resumed = await resumeTasks(sql, [path.id], body.missed)
    if (resumed.length === 0) throw notFound('task', path.id)
    const task = await getTask(sql, path.id)
    wakeTick(task)
    return { status: 200, body: task, headers: etag(task.version) }
  },
)
