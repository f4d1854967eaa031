import * as z from 'zod'
import { executionOut } from '../../shared/executions/execution.ts'
import { historyPositionOf, historyQuery, listHistory } from '../../shared/executions/list.ts'
import { httpHandler } from '../../shared/http/handler.ts'
import { nextLink } from '../../shared/http/next-link.ts'
import { taskPath } from '../../shared/tasks/task.ts'

export const handler = httpHandler(
  {
    tag: 'Tasks',
    access: 'read',
    summary: "List a task's executions, oldest first",
    description: "Returns a task's finished, open and skipped executions.",
    path: taskPath,
    query: historyQuery,
    responses: {
      200: {
        description:
          'A page of executions. It ends early once its details and results reach 1 MiB. If there may be more, the `Link` header has the URL of the next page.',
        body: z.array(executionOut),
      },
    },
  },
  async ({ path, query }, { sql, event }) => {
    const page = await listHistory(sql, path.id, query)
    return {
      status: 200,
      body: page.rows,
      headers: nextLink(event, page, (row) => historyPositionOf(query, row)),
    }
  },
)
