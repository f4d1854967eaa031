import * as z from 'zod'
import { executionOut } from '../../shared/executions/execution.ts'
import { type Asked, runNow } from '../../shared/executions/run-now.ts'
import { httpHandler } from '../../shared/http/handler.ts'
import type { Reply } from '../../shared/http/operation.ts'
import { runIn } from '../../shared/tasks/control.ts'
import { taskPath } from '../../shared/tasks/task.ts'
import { starting } from '../program.ts'

/** The responses to every way of running a task now. */
export const runResponses = {
  201: { description: 'The new execution', body: executionOut },
  202: { description: 'One run will follow the open execution', body: z.object({ queued: z.literal(true) }) },
  409: { description: 'The task has an open execution' },
}

export const runReply = (asked: Asked): Reply =>
  'execution' in asked ? { status: 201, body: asked.execution } : { status: 202, body: asked }

export const handler = httpHandler(
  {
    tag: 'Tasks',
    access: 'run',
    summary: 'Run a task now',
    description:
      "Starts a manual run, regardless of the task's schedule and even while it is paused. If the task has an open execution, the response is 409. With `overlap: queue`, one run is queued instead, and follows the open execution. An occurrence is open from when it is claimed, about a second before it is due, so a task that is due every second nearly always has an open execution.",
    path: taskPath,
    body: runIn,
    example: { overlap: 'queue' },
    bodyOptional: true,
    responses: runResponses,
  },
  async ({ path, body }, { sql }) =>
    runReply(await runNow(sql, { taskId: path.id, overlap: body.overlap }, starting())),
)
