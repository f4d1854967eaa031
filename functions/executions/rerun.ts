import { executionOut, executionPath } from '../../shared/executions/execution.ts'
import { rerun } from '../../shared/executions/run-now.ts'
import { httpHandler } from '../../shared/http/handler.ts'
import { starting } from '../program.ts'

export const handler = httpHandler(
  {
    tag: 'Executions',
    access: 'run',
    summary: 'Rerun an execution',
    description:
      "Runs an execution's task again now, regardless of its schedule. The new execution's `rerun_of` is the old execution's id.",
    path: executionPath,
    responses: {
      201: { description: 'The new execution', body: executionOut },
      409: { description: 'The task has an open execution' },
    },
  },
  async ({ path }, { sql }) => ({ status: 201, body: await rerun(sql, path.id, starting()) }),
)
