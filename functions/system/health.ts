import * as z from 'zod'
import { httpHandler } from '../../shared/http/handler.ts'

export const handler = httpHandler(
  {
    summary: 'Tell that the process answers; it asks nothing of the database',
    public: true,
    responses: { 200: { description: 'Alive', body: z.object({ status: z.literal('ok') }) } },
  },
  () => ({ status: 200, body: { status: 'ok' } }),
)
