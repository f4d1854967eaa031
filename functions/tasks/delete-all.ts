import { httpHandler } from '../../shared/http/handler.ts'
import { applyToAll, bulkOut, bulkQuery } from '../../shared/tasks/bulk.ts'
import { bulkBatch } from '../program.ts'

export const handler = httpHandler(
  {
    tag: 'Tasks',
    access: 'write',
    summary: 'Delete tasks',
    description:
      'Deletes all tasks that match the filters, with their executions. Requires a filter, or `all=true`. If `next` in the response is not null, repeat the call with that `cursor`.',
    query: bulkQuery,
    responses: { 200: { description: 'How many tasks were deleted, and how to continue', body: bulkOut } },
  },
  async ({ query }, { sql }) => ({
    status: 200,
    body: await applyToAll({ sql, batch: bulkBatch }, query, { verb: 'delete' }),
  }),
)
