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
        .describe('Task types that this process has no runner for: it leaves their tasks to others'),
    })
    .nullable()
    .describe('Of this process; null when it has none, as a function on Lambda'),
})

export const handler = httpHandler(
  {
    tag: 'System',
    summary: 'Check whether requests can be served',
    description: 'The database answers within a second, and its migrations are applied.',
    public: true,
    responses: {
      200: {
        description: 'Ready; a scheduler that is late is `degraded`, and takes no request away',
        body: readyOut,
      },
      503: { description: 'Not now; `reason` is `database`, `migrations` or `draining`' },
    },
  },
  async () => {
    await checkReadiness(probeDb(), isDraining())
    return { status: 200, body: { status: 'ready', scheduler: schedulerState(watch(), memory.unknownTypes) } }
  },
)
