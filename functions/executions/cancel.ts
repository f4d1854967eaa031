import { cancelExecution } from '../../shared/executions/cancel.ts'
import { executionOut, executionPath } from '../../shared/executions/execution.ts'
import { httpHandler } from '../../shared/http/handler.ts'

export const handler = httpHandler(
  {
    summary: 'Cancel an execution: at once while it is queued, within a heartbeat while it runs',
    path: executionPath,
    responses: {
      200: { description: 'The execution, which is cancelled or asked to stop', body: executionOut },
      409: { description: 'It has ended' },
    },
  },
  async ({ path }, { sql }) => ({ status: 200, body: await cancelExecution(sql, path.id) }),
)
