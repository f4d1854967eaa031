import { createKey, keyIn, newKeyOut } from '../../shared/access/keys.ts'
import { storedKeys } from '../../shared/http/access.ts'
import { httpHandler } from '../../shared/http/handler.ts'

export const handler = httpHandler(
  {
    tag: 'Keys',
    access: 'admin',
    summary: 'Create a key',
    description:
      'Creates a named API key. The response is the only one that contains the key, so the request cannot have an `Idempotency-Key`. The first key of an API that was open to anyone must have the scope `admin`.',
    body: keyIn,
    hasSecret: true,
    example: { name: 'dashboard', scope: 'read' },
    responses: {
      201: { description: 'The new key', body: newKeyOut },
      409: {
        description:
          'Two keys have this name, there are too many keys, or the first key does not have the scope `admin`',
      },
    },
  },
  async ({ body }, { sql, caller }) => {
    const key = await createKey(sql, body, caller)
    storedKeys().forget()
    return { status: 201, body: key }
  },
)
