import { config } from '../config.ts'
import type { Reply } from './operation.ts'

type Headers = Readonly<Record<string, string | undefined>>

const NONE: Record<string, string> = {}
const METHODS = 'GET, POST, PUT, PATCH, DELETE'
const REQUEST_HEADERS = 'authorization, content-type, idempotency-key, if-match, x-api-key'
const RESPONSE_HEADERS = 'etag, idempotency-replayed, link, location, retry-after, x-request-id'

/** Returns the headers that let pages from CORS_ORIGINS read a response. */
export function corsHeaders({ origin }: Headers): Record<string, string> {
  const { corsOrigins } = config()
  if (corsOrigins.length === 0) return NONE
  if (!origin || !corsOrigins.includes(origin)) return { vary: 'origin' }
  return {
    vary: 'origin',
    'access-control-allow-origin': origin,
    'access-control-expose-headers': RESPONSE_HEADERS,
  }
}

/** Returns the answer to a preflight request from an origin in CORS_ORIGINS, or null for any other request. */
export function answerPreflight({ origin, 'access-control-request-method': asked }: Headers): Reply | null {
  if (!origin || !asked || !config().corsOrigins.includes(origin)) return null
  return {
    status: 204,
    body: '',
    headers: {
      'access-control-allow-methods': METHODS,
      'access-control-allow-headers': REQUEST_HEADERS,
      'access-control-max-age': '600',
    },
  }
}
