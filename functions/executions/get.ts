import { executionOut, executionPath } from '../../shared/executions/execution.ts'
import { getExecution } from '../../shared/executions/get.ts'
import { httpHandler } from '../../shared/http/handler.ts'

export const handler = httpHandler(
  {
    tag: 'Executions',
    access: 'read',
    summary: 'Get an execution',
    description: 'Returns an open or finished execution.',
    path: executionPath,
    responses: { 200: { description: 'The execution', body: executionOut } },
  },
  async ({ path }, { sql }) => ({ status: 200, body: await getExecution(sql, path.id) }),
)
