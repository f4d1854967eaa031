import type { Agent } from 'undici'
import * as z from 'zod'
import { config } from '../config.ts'
import { failed, success } from './outcome.ts'
import type { Runner } from './runner.ts'

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
const status = z.int().min(100).max(599)
const headers = z.record(
  z.string().regex(TOKEN, 'is not a valid header name'),
  z.string().regex(HEADER_VALUE, 'is not a valid header value'),
)

const URL_CHARACTERS = 8192
/** Limits for new params. No more than 500 different statuses exist. */
const HEADERS = 100
const HEADER_NAME_CHARACTERS = 256
const HEADER_VALUE_CHARACTERS = 8192
const STATUSES = 500

const params = z.strictObject({
  url: z
    .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
    .max(URL_CHARACTERS, `has more than ${URL_CHARACTERS} characters`)
    .optional()
    .describe('The URL to call. Default: `HTTP_TASK_URL`.'),
  method: z.enum(METHODS).default('GET').describe('The HTTP method.'),
  headers: headers
    .default({})
    .describe(
      `The request headers. At most ${HEADERS}, each with up to ${HEADER_VALUE_CHARACTERS} characters.`,
    ),
  body: z
    .union([z.string(), z.record(z.string(), z.unknown()), z.array(z.unknown())])
    .optional()
    .describe('The request body. A string is sent unchanged, anything else as JSON.'),
  expected_status: z
    .union([status, z.array(status).min(1)])
    .optional()
    .describe('The status or statuses that count as success. Default: any status below 400.'),
  retry_status: z
    .array(status)
    .default([])
    .describe(
      'Additional statuses to retry. Of the 4xx statuses, only 408, 409, 425 and 429 are retried by default.',
    ),
})

type Params = z.infer<typeof params>

const tooLong = ([name, value]: [string, string]): boolean =>
  name.length > HEADER_NAME_CHARACTERS || value.length > HEADER_VALUE_CHARACTERS

const tooManyStatuses = `has more than ${STATUSES} statuses`

const newParams = params.extend({
  headers: headers
    .refine((all) => Object.keys(all).length <= HEADERS, `has more than ${HEADERS} headers`)
    .refine((all) => !Object.entries(all).some(tooLong), 'has a header that is too long')
    .default({}),
  expected_status: params.shape.expected_status.refine(
    (given) => !Array.isArray(given) || given.length <= STATUSES,
    tooManyStatuses,
  ),
  retry_status: z.array(status).max(STATUSES, tooManyStatuses).default([]),
})

/** Has no timeouts of its own, since undici's would cut off calls that the task's timeout still allows. */
let agent: Agent | undefined

/**
 * Maximum number of connections per origin. Further calls wait for a free connection, but only until their task's
 * timeout.
 */
const CONNECTIONS = 256

/**
 * A response body of up to this many bytes is read to its end, so that the connection can be reused. If the body is
 * longer, the connection is closed.
 */
const BODY_LIMIT = 131_072

/** Calls a URL. Redirects aren't followed; by default, a 3xx counts as success. */
export const http: Runner<Params> = {
  about: "Calls a URL. Redirects aren't followed; by default, a 3xx counts as success",
  params,
  newParams,
  target: (given) => new URL(given.url ?? config().httpTaskUrl).origin,
  async run(given, { signal, idempotencyKey }) {
    // Imported lazily, since the API only checks params and makes no calls.
    const { Agent, request } = await import('undici')
    agent ??= new Agent({
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: { timeout: 0 },
      connections: CONNECTIONS,
    })
    const from = performance.now()
    const response = await request(given.url ?? config().httpTaskUrl, {
      dispatcher: agent,
      method: given.method,
      headers: { 'idempotency-key': idempotencyKey, ...withContentType(given) },
      body: typeof given.body === 'string' ? given.body : (JSON.stringify(given.body) ?? null),
      signal,
    })
    await response.body.dump({ limit: BODY_LIMIT, signal })
    const result = {
      status_code: response.statusCode,
      elapsed_seconds: Math.round(performance.now() - from) / 1000,
    }
    if (isExpected(response.statusCode, given.expected_status)) return success(result)
    return failed('http_status', `the target responded with status ${response.statusCode}`, {
      result,
      retryable: isRetryable(response.statusCode, given.retry_status),
      notBeforeSeconds: retryAfterSeconds(response.headers),
    })
  },
}

const RETRYABLE_4XX = [408, 409, 425, 429]

/**
 * Returns whether a retry may help. A repeated request would get the same 4xx status, unless that status depends on
 * when the request is sent.
 */
function isRetryable(code: number, asked: number[]): boolean {
  return code < 400 || code >= 500 || RETRYABLE_4XX.includes(code) || asked.includes(code)
}

const DAY_SECONDS = 86_400

type Headers = Record<string, string | string[] | undefined>

/**
 * Parses `Retry-After` (RFC 9110, 10.2.3): seconds, or an HTTP date. A date is compared with the target's own clock if
 * the target sends `Date`. Returns a number of seconds, capped at a day in case the target is wrong.
 */
function retryAfterSeconds(headers: Headers): number {
  const [text, date] = ['retry-after', 'date'].map((name) => headers[name]?.toString())
  if (text === undefined) return 0
  const now = date === undefined ? Date.now() : Date.parse(date)
  const seconds = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - now) / 1000
  return Number.isNaN(seconds) ? 0 : Math.min(DAY_SECONDS, Math.max(0, seconds))
}

function withContentType({ headers, body }: Params): Record<string, string> {
  const lower = Object.fromEntries(Object.entries(headers).map(([key, value]) => [key.toLowerCase(), value]))
  if (body === undefined || typeof body === 'string') return lower
  return { 'content-type': 'application/json', ...lower }
}

function isExpected(code: number, expected: Params['expected_status']): boolean {
  if (expected === undefined) return code < 400
  return Array.isArray(expected) ? expected.includes(code) : expected === code
}
