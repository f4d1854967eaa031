import { httpHandler } from '../../shared/http/handler.ts'
import { applyToAll, bulkOut, bulkQuery } from '../../shared/tasks/bulk.ts'
import { resumeIn } from '../../shared/tasks/control.ts'
import { bulkBatch } from '../program.ts'

export const handler = httpHandler(
  {
    tag: 'Tasks',
    summary: 'Resume tasks',
    description: 'Resumes every task that the filters match. It needs a filter, or `all=true`.',
    query: bulkQuery,
    body: resumeIn,
    example: { missed: 'skip' },
    bodyOptional: true,
    responses: { 200: { description: 'How many tasks, and how to go on', body: bulkOut } },
  },
  async ({ query, body }, { sql }) => ({
    status: 200,
    body: await applyToAll({ sql, batch: bulkBatch }, query, { verb: 'resume', ...body }),
  }),
)
