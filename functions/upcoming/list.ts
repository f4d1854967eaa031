import * as z from 'zod'
import { httpHandler } from '../../shared/http/handler.ts'
import { nextLink } from '../../shared/http/page.ts'
import { taskOut } from '../../shared/tasks/task.ts'
import { listUpcoming, upcomingQuery } from '../../shared/tasks/upcoming.ts'

export const handler = httpHandler(
  {
    summary: 'List the tasks that will run, soonest first',
    query: upcomingQuery,
    responses: { 200: { description: 'A page; `Link` names the next one', body: z.array(taskOut) } },
  },
  async ({ query }, { sql, event }) => {
    const tasks = await listUpcoming(sql, query)
    const headers = nextLink(event, tasks, query.limit, (task) => [task.next_run_at, task.id])
    return { status: 200, body: tasks, headers }
  },
)
