import * as z from 'zod'
import { probeDb } from '../../shared/db.ts'
import { httpHandler } from '../../shared/http/handler.ts'
import { checkReadiness } from '../../shared/readiness.ts'
import { schedulerState } from '../../shared/scheduling/health/health.ts'
import { isDraining, memory, watch } from '../program.ts'

const readyOut = z.object({
  status: z.literal('ready'),
  scheduler: z
    .object({
      state: z.enum(['ok', 'degraded']),
      reasons: z.array(z.enum(['tick_overdue', 'heartbeat_overdue', 'settle_overdue'])),
      unknown_types: z
        .array(z.string())
        .optional()
        .describe(
          'Task types that this process has no runner for. It ignores their tasks, so other processes can run them.',
        ),
    })
    .nullable()
    .describe("This process's scheduler. Null if it has none, as on AWS Lambda."),
})

export const handler = httpHandler(
  {
    tag: 'System',
    summary: 'Check whether requests can be served',
    description:
      'Succeeds if the database responds within a second, all migrations are applied, and this process is not shutting down.',
    access: 'public',
    responses: {
      200: {
        description: 'Ready. A scheduler that is late is `degraded`, but requests can still be served.',
        body: readyOut,
      },
      503: { description: 'Not ready. `reason` is `database`, `migrations` or `draining`.' },
    },
  },
  async () => {
    await checkReadiness(probeDb(), isDraining())
    return { status: 200, body: { status: 'ready', scheduler: schedulerState(watch(), memory.unknownTypes) } }
  },
)
