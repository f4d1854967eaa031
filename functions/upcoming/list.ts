import * as z from 'zod'
import { httpHandler } from '../../shared/http/handler.ts'
import { nextLink } from '../../shared/http/next-link.ts'
import { taskOut } from '../../shared/tasks/task.ts'
import { listUpcoming, upcomingQuery } from '../../shared/tasks/upcoming.ts'

export const handler = httpHandler(
  {
    tag: 'Schedules',
    access: 'read',
    summary: 'List upcoming runs, soonest first',
    description: 'Returns tasks by next run, soonest first. Paused tasks are left out.',
    query: upcomingQuery,
    responses: {
      200: {
        description:
          'A page of tasks. It ends early once their params and texts reach 1 MiB. If there may be more, the `Link` header has the URL of the next page.',
        body: z.array(taskOut),
      },
    },
  },
  async ({ query }, { sql, event }) => {
    const page = await listUpcoming(sql, query)
    return {
      status: 200,
      body: page.rows,
      headers: nextLink(event, page, (task) => [task.next_run_at, task.id]),
    }
  },
)
