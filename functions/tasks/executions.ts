import * as z from 'zod'
import { executionOut } from '../../shared/executions/execution.ts'
import { historyQuery, listHistory } from '../../shared/executions/list.ts'
import { httpHandler } from '../../shared/http/handler.ts'
import { nextLink } from '../../shared/http/next-link.ts'
import { taskPath } from '../../shared/tasks/task.ts'

export const handler = httpHandler(
  {
    tag: 'Tasks',
    summary: 'List the executions of a task, oldest first',
    description: 'Lists what ran, what runs, and what was skipped of one task.',
    path: taskPath,
    query: historyQuery,
    responses: {
      200: {
        description:
          'A page, which ends early once its params or results reach 1 MiB; `Link` names the next one',
        body: z.array(executionOut),
      },
    },
  },
  async ({ path, query }, { sql, event }) => {
    const page = await listHistory(sql, path.id, query)
    return {
      status: 200,
      body: page.rows,
      headers: nextLink(event, page, (row) => [row.scheduled_for, row.id]),
    }
  },
)
