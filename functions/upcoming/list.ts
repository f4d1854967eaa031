import * as z from 'zod'
import { httpHandler } from '../../shared/http/handler.ts'
import { nextLink } from '../../shared/http/next-link.ts'
import { taskOut } from '../../shared/tasks/task.ts'
import { listUpcoming, upcomingQuery } from '../../shared/tasks/upcoming.ts'

export const handler = httpHandler(
  {
    tag: 'Schedules',
    summary: 'List what runs next, soonest first',
    description: 'Lists tasks by their next run, without paused ones.',
    query: upcomingQuery,
    responses: {
      200: {
        description:
          'A page, which ends early once its params or results reach 1 MiB; `Link` names the next one',
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
