import { db } from '../../shared/db.ts'
import { httpHandler } from '../../shared/http/handler.ts'
import { applyToAll, bulkOut, bulkQuery } from '../../shared/tasks/bulk.ts'
import { pauseIn } from '../../shared/tasks/control.ts'

export const handler = httpHandler(
  {
    summary: 'Pause every task that the filters match',
    query: bulkQuery,
    body: pauseIn,
    bodyOptional: true,
    responses: { 200: { description: 'Which tasks', body: bulkOut } },
  },
  async ({ query, body }) => ({
    status: 200,
    body: await applyToAll(db(), query, { verb: 'pause', ...body }),
  }),
)
