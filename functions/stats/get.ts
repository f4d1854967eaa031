import { httpHandler } from '../../shared/http/handler.ts'
import { getStats } from '../../shared/stats/get.ts'
import { statsOut, statsQuery } from '../../shared/stats/stats.ts'

export const handler = httpHandler(
  {
    tag: 'Executions',
    access: 'read',
    summary: 'Count runs and skips',
    description:
      'Returns how executions ended, how long they took and how late they started, for a window of time, and for each bucket in it. An execution belongs to the bucket in which it ended. Numbers outlive the executions that they count.',
    query: statsQuery,
    responses: { 200: { description: 'The numbers', body: statsOut } },
  },
  async ({ query }, { sql }) => ({ status: 200, body: await getStats(sql, query) }),
)
