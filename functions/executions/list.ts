import * as z from 'zod'
import { executionOut } from '../../shared/executions/execution.ts'
import { executionQuery, listExecutions } from '../../shared/executions/list.ts'
import { httpHandler } from '../../shared/http/handler.ts'
import { nextLink } from '../../shared/http/next-link.ts'

export const handler = httpHandler(
  {
    tag: 'Executions',
    summary: 'List executions, newest first',
    description: 'Lists the executions of all tasks. The filters may be combined.',
    query: executionQuery,
    responses: {
      200: {
        description:
          'A page, which ends early once its params or results reach 1 MiB; `Link` names the next one',
        body: z.array(executionOut),
      },
    },
  },
  async ({ query }, { sql, event }) => {
    const page = await listExecutions(sql, query)
    return { status: 200, body: page.rows, headers: nextLink(event, page, (row) => row.id) }
  },
)
