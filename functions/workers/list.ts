import * as z from 'zod'
import { httpHandler } from '../../shared/http/handler.ts'
import { listWorkers, workerOut } from '../../shared/workers/list.ts'

export const handler = httpHandler(
  {
    tag: 'Monitoring',
    access: 'read',
    summary: 'List the workers and what they run',
    description:
      'Returns the processes that run tasks, oldest first, at most 1000. A worker that has not been seen for 30 seconds is left out. On Lambda, the workers are the execution environments that were invoked in the last 30 seconds.',
    responses: { 200: { description: 'The workers', body: z.array(workerOut) } },
  },
  async (_input, { sql }) => ({ status: 200, body: await listWorkers(sql) }),
)
