import * as z from 'zod'
import { executionOut } from '../../shared/executions/execution.ts'
import { executionQuery, listExecutions, positionOf } from '../../shared/executions/list.ts'
import { httpHandler } from '../../shared/http/handler.ts'
import { nextLink } from '../../shared/http/next-link.ts'

export const handler = httpHandler(
  {
    tag: 'Executions',
    access: 'read',
    summary: 'List executions, newest first',
    description: 'Returns the executions of all tasks. Filters can be combined.',
    query: executionQuery,
    responses: {
      200: {
        description:
          'A page of executions. It ends early once its details and results reach 1 MiB. If there may be more, the `Link` header has the URL of the next page.',
        body: z.array(executionOut),
      },
    },
  },
  async ({ query }, { sql, event }) => {
    const page = await listExecutions(sql, query)
    return { status: 200, body: page.rows, headers: nextLink(event, page, (row) => positionOf(query, row)) }
  },
)
