import * as z from 'zod'
import { db } from '../../shared/db.ts'
import { httpHandler } from '../../shared/http/handler.ts'
import { checkReadiness } from '../../shared/readiness.ts'

export const handler = httpHandler(
  {
    summary: 'Tell that requests can be served: the database answers, and its migrations are applied',
    public: true,
    responses: {
      200: { description: 'Ready', body: z.object({ status: z.literal('ready') }) },
      503: { description: 'Not now; `detail` says why' },
    },
  },
  async () => {
    await checkReadiness(db())
    return { status: 200, body: { status: 'ready' } }
  },
)
