import { httpHandler } from '../../shared/http/handler.ts'
import { applyToAll, bulkOut, bulkQuery } from '../../shared/tasks/bulk.ts'
import { resumeIn } from '../../shared/tasks/control.ts'
import { bulkBatch } from '../program.ts'

export const handler = httpHandler(
  {
    tag: 'Tasks',
    access: 'write',
    summary: 'Resume tasks',
    description:
      'Resumes all tasks that match the filters. Requires a filter, or `all=true`. If `next` in the response is not null, repeat the call with that `cursor`.',
    query: bulkQuery,
    body: resumeIn,
    example: { missed: 'skip' },
    bodyOptional: true,
    responses: { 200: { description: 'How many tasks were changed, and how to continue', body: bulkOut } },
  },
  async ({ query, body }, { sql }) => ({
    status: 200,
    body: await applyToAll({ sql, batch: bulkBatch }, query, { verb: 'resume', ...body }),
  }),
)
