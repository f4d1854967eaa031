import { config } from '../../shared/config.ts'
import { executionPath } from '../../shared/executions/execution.ts'
import { getExecution } from '../../shared/executions/get.ts'
import { linkedExecutionOut, withLinks } from '../../shared/executions/links.ts'
import { httpHandler } from '../../shared/http/handler.ts'

export const handler = httpHandler(
  {
    tag: 'Executions',
    access: 'read',
    summary: 'Get an execution',
    description: 'Returns an open or finished execution, with links to its log and its trace.',
    path: executionPath,
    responses: { 200: { description: 'The execution', body: linkedExecutionOut } },
  },
  async ({ path }, { sql }) => ({
    status: 200,
    body: withLinks(await getExecution(sql, path.id), config().linkTemplates),
  }),
)
