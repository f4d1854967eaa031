import * as z from 'zod'
import { httpHandler } from '../../shared/http/handler.ts'
import { nextLink } from '../../shared/http/next-link.ts'
import { listTasks, taskQuery } from '../../shared/tasks/list.ts'
import { positionOf } from '../../shared/tasks/sort.ts'
import { taskOut } from '../../shared/tasks/task.ts'

export const handler = httpHandler(
  {
    tag: 'Tasks',
    access: 'read',
    summary: 'List tasks',
    description:
      'Returns tasks, oldest first unless `sort` and `order` say otherwise. Filters can be combined.',
    query: taskQuery,
    responses: {
      200: {
        description:
          'A page of tasks. It ends early once their params and texts reach 1 MiB. If there may be more, the `Link` header has the URL of the next page.',
        body: z.array(taskOut),
      },
    },
  },
  async ({ query }, { sql, event }) => {
    const page = await listTasks(sql, query)
    return { status: 200, body: page.rows, headers: nextLink(event, page, (task) => positionOf(query, task)) }
  },
)
