import { cancelExecution } from '../../shared/executions/cancel.ts'
import { executionOut, executionPath } from '../../shared/executions/execution.ts'
import { httpHandler } from '../../shared/http/handler.ts'

export const handler = httpHandler(
  {
    tag: 'Executions',
    access: 'run',
    summary: 'Cancel an execution',
    description:
      'Cancels an execution. A queued execution ends immediately. A running execution is asked to stop: its worker stops it at the next heartbeat, within a third of the lease. A cancelled execution is not retried.',
    path: executionPath,
    responses: {
      200: { description: 'The execution, now cancelled or asked to stop', body: executionOut },
      409: { description: 'The execution has already ended' },
    },
  },
  async ({ path }, { sql }) => ({ status: 200, body: await cancelExecution(sql, path.id) }),
)
