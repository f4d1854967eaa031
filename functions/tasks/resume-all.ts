import { httpHandler } from '../../shared/http/handler.ts'
import { applyToAll, bulkOut, bulkQuery } from '../../shared/tasks/bulk.ts'
import { resumeIn } from '../../shared/tasks/control.ts'

export const handler = httpHandler(
  {
    summary: 'Resume every task that the filters match',
    query: bulkQuery,
    body: resumeIn,
    bodyOptional: true,
    responses: { 200: { description: 'How many tasks, and how to go on', body: bulkOut } },
  },
  async ({ query, body }, { sql }) => ({
    status: 200,
    body: await applyToAll(sql, query, { verb: 'resume', ...body }),
  }),
)
