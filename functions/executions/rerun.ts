import { executionOut, executionPath } from '../../shared/executions/execution.ts'
import { rerun } from '../../shared/executions/run-now.ts'
import { httpHandler } from '../../shared/http/handler.ts'
import { starting } from '../program.ts'

export const handler = httpHandler(
  {
    tag: 'Executions',
    summary: 'Rerun an execution',
    description:
      'Runs the task of an execution that has ended once more, now. The new execution names the old one in `rerun_of`.',
    path: executionPath,
    responses: {
      201: { description: 'The new execution; `rerun_of` names the old one', body: executionOut },
      409: { description: 'An execution of the task is open' },
    },
  },
  async ({ path }, { sql }) => ({ status: 201, body: await rerun(sql, path.id, starting()) }),
)
