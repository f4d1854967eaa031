import * as z from 'zod'
import { executionOut } from '../../shared/executions/execution.ts'
import { runNow } from '../../shared/executions/run-now.ts'
import { httpHandler } from '../../shared/http/handler.ts'
import { runIn } from '../../shared/tasks/control.ts'
import { taskPath } from '../../shared/tasks/task.ts'
import { starting } from '../program.ts'

export const handler = httpHandler(
  {
    tag: 'Tasks',
    access: 'run',
    summary: 'Run a task now',
    description:
      "Starts a manual run, regardless of the task's schedule and even while it is paused. If the task has an open execution, the response is 409. With `overlap: queue`, one run is queued instead, and follows the open execution.",
    path: taskPath,
    body: runIn,
    example: { overlap: 'queue' },
    bodyOptional: true,
    responses: {
      201: { description: 'The new execution', body: executionOut },
      202: {
        description: 'One run will follow the open execution',
        body: z.object({ queued: z.literal(true) }),
      },
      409: { description: 'The task has an open execution' },
    },
  },
  async ({ path, body }, { sql }) => {
    const asked = await runNow(sql, { taskId: path.id, overlap: body.overlap }, starting())
    return 'execution' in asked ? { status: 201, body: asked.execution } : { status: 202, body: asked }
  },
)
