import * as z from 'zod'
import { keyOut, listKeys } from '../../shared/access/keys.ts'
import { httpHandler } from '../../shared/http/handler.ts'

export const handler = httpHandler(
  {
    tag: 'Keys',
    access: 'admin',
    summary: 'List keys, oldest first',
    description: "Returns the named API keys, at most 1000. Keys from the server's settings are not listed.",
    responses: { 200: { description: 'The keys, without their text', body: z.array(keyOut) } },
  },
  async (_input, { sql }) => ({ status: 200, body: await listKeys(sql) }),
)
