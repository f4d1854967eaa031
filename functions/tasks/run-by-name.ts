import { runNow } from '../../shared/executions/run-now.ts'
import { httpHandler } from '../../shared/http/handler.ts'
import { runIn } from '../../shared/tasks/control.ts'
import { idOfName } from '../../shared/tasks/get.ts'
import { taskNamePath } from '../../shared/tasks/input.ts'
import { starting } from '../program.ts'
import { runReply, runResponses } from './run.ts'

export const handler = httpHandler(
  {
    tag: 'Tasks',
    access: 'run',
    summary: 'Run a task now, by name',
    description: 'Starts a manual run of the task with this name, like `POST /tasks/{id}/run`.',
    path: taskNamePath,
    body: runIn,
    example: { overlap: 'queue' },
    bodyOptional: true,
    responses: runResponses,
  },
  async ({ path, body }, { sql }) => {
    const taskId = await idOfName(sql, path.name)
    return runReply(await runNow(sql, { taskId, overlap: body.overlap }, starting()))
  },
)
