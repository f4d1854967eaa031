import { httpHandler } from '../../shared/http/handler.ts'
import { applyToAll, bulkOut, bulkQuery } from '../../shared/tasks/bulk.ts'
import { bulkBatch } from '../program.ts'

export const handler = httpHandler(
  {
    tag: 'Tasks',
    summary: 'Delete tasks',
    description:
      'Deletes every task that the filters match, with its executions. It needs a filter, or `all=true`.',
    query: bulkQuery,
    responses: { 200: { description: 'How many tasks, and how to go on', body: bulkOut } },
  },
  async ({ query }, { sql }) => ({
    status: 200,
    body: await applyToAll({ sql, batch: bulkBatch }, query, { verb: 'delete' }),
  }),
)
