import { rerunAll, rerunOut, rerunQuery } from '../../shared/executions/rerun-all.ts'
import { httpHandler } from '../../shared/http/handler.ts'
import { bulkBatch, nudgeTick } from '../program.ts'

export const handler = httpHandler(
  {
    tag: 'Executions',
    access: 'run',
    summary: 'Rerun executions',
    description:
      'Runs tasks again whose ended executions match the filters. Requires a filter. Each task runs once, as a rerun of its newest matching execution; a task with an open execution is left alone, and counted as `open`. If `next` in the response is not null, repeat the call with that `cursor`.',
    query: rerunQuery,
    responses: { 200: { description: 'How many tasks run again, and how to continue', body: rerunOut } },
  },
  async ({ query }, { sql }) => {
    const reruns = await rerunAll({ sql, batch: bulkBatch }, query)
    if (reruns.changed > 0) nudgeTick()
    return { status: 200, body: reruns }
  },
)
