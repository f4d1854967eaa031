import { cancelExecution } from '../../shared/executions/cancel.ts'
import { executionOut, executionPath } from '../../shared/executions/execution.ts'
import { httpHandler } from '../../shared/http/handler.ts'

export const handler = httpHandler(
  {
    tag: 'Executions',
    summary: 'Cancel an execution',
    description:
      'Ends it at once while it is queued. A worker that runs it stops it at its next heartbeat, within a third of a lease.',
    path: executionPath,
    responses: {
      200: { description: 'The execution, which is cancelled or asked to stop', body: executionOut },
      409: { description: 'It has ended' },
    },
  },
  async ({ path }, { sql }) => ({ status: 200, body: await cancelExecution(sql, path.id) }),
)
