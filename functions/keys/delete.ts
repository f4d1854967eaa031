import * as z from 'zod'
import { deleteKey, keyPath } from '../../shared/access/keys.ts'
import { storedKeys } from '../../shared/http/access.ts'
import { httpHandler } from '../../shared/http/handler.ts'
import { hasConfiguredAdmin } from '../program.ts'

export const handler = httpHandler(
  {
    tag: 'Keys',
    access: 'admin',
    summary: 'Delete a key',
    description: 'Deletes a key. All processes stop accepting it within 10 seconds.',
    path: keyPath,
    responses: {
      200: { description: 'The key was deleted', body: z.object({ deleted: z.literal(true) }) },
      404: { description: 'The key does not exist' },
      409: { description: 'It is the last key with the scope `admin`' },
    },
  },
  async ({ path }, { sql }) => {
    await deleteKey(sql, path.id, hasConfiguredAdmin())
    storedKeys().forget()
    return { status: 200, body: { deleted: true } }
  },
)
