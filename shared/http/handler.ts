import { createHash, timingSafeEqual } from 'node:crypto'
import middy, { type MiddlewareObj } from '@middy/core'
import httpJsonBodyParser from '@middy/http-json-body-parser'
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context } from 'aws-lambda'
import type * as z from 'zod'
import { config } from '../config.ts'
import { type Database, db, limitsOf } from '../db.ts'
import { AppError } from '../errors.ts'
import { withDeadline } from './deadline.ts'
import { onceByKey } from './idempotency.ts'
import { parseBody, parseParameters, readQuery } from './parse.ts'
import { respond } from './respond.ts'

/** What a route takes and gives. The documentation is made from it. */
export type Operation = {
  summary: string
  /** No API key is needed. */
  public?: true
  path?: z.ZodObject
  query?: z.ZodObject
  body?: z.ZodType
  /** No body at all is taken as `{}`. */
  bodyOptional?: true
  /** By status: what it means, and the body's schema when it is JSON. */
  responses: Record<number, { description: string; body?: z.ZodType }>
}

type Parsed<Schema> = Schema extends z.ZodType ? z.output<Schema> : undefined

type Input<Op extends Operation> = {
  path: Parsed<Op['path']>
  query: Parsed<Op['query']>
  body: Parsed<Op['body']>
}

/** `body` leaves as JSON; a string leaves as it is, with the content type among the headers. */
export type Reply = { status: number; body: unknown; headers?: Record<string, string> }

/** What a handler gets besides its input. */
export type HttpRequest = {
  event: APIGatewayProxyEventV2
  /** The pool, for as long as this request may use it; made when it is asked for. */
  readonly sql: Database
}

type Handler = ((
  event: APIGatewayProxyEventV2,
  context: Context,
) => Promise<APIGatewayProxyStructuredResultV2>) & {
  operation: Operation
}

/** Time to answer before the runtime cuts the invocation off. */
const TIMEOUT_EARLY_MS = 500

/**
 * A Lambda handler for an HTTP API route (payload 2.0) over the one middy stack. `before` runs in the order below, `after`
 * and `onError` in the reverse; so `respond`, first, sees what all the others did or threw, and nothing leaves the
 * handler but a response: an error that leaves one ends up as a 200 under serverless-offline.
 */
export function httpHandler<const Op extends Operation>(
  operation: Op,
  run: (input: Input<Op>, request: HttpRequest) => Promise<Reply> | Reply,
): Handler {
  const stack = middy<APIGatewayProxyEventV2>({
    timeoutEarlyInMillis: TIMEOUT_EARLY_MS,
    timeoutEarlyResponse: () => {
      throw new AppError('timeout', 'the request took too long')
    },
  }).use(respond())
  if (!operation.public) stack.use(requireKey())
  if (operation.bodyOptional) stack.use(fillBody())
  if (operation.body) stack.use(limitBody()).use(httpJsonBodyParser())
  stack.handler(async (event: APIGatewayProxyEventV2, context: Context) => {
    const request = toRequest(event, context)
    const answer = async () => await run(readInput(operation, event), request)
    return !operation.public && event.requestContext.http.method === 'POST'
      ? await onceByKey(request.sql, event, answer)
      : await answer()
  })
  // `respond` turns every reply and every error into a response.
  return Object.assign(stack as unknown as Handler, { operation })
}

function toRequest(event: APIGatewayProxyEventV2, context: Context): HttpRequest {
  const answerAt = performance.now() + context.getRemainingTimeInMillis() - TIMEOUT_EARLY_MS
  const { statementMs } = limitsOf(config().leaseSeconds)
  let sql: Database | undefined
  return {
    event,
    get sql() {
      sql ??= withDeadline(db(), { answerAt, startsBy: answerAt - statementMs })
      return sql
    },
  }
}

/** The cast: what the schemas of `Op` gave is what its `Input` says. Absent values are null under serverless-offline. */
function readInput<Op extends Operation>(operation: Op, event: APIGatewayProxyEventV2): Input<Op> {
  const { path, query, body } = operation
  return {
    path: path && parseParameters(path, event.pathParameters ?? {}),
    query: query && parseParameters(query, readQuery(event.rawQueryString ?? '')),
    body: body && parseBody(body, event.body),
  } as Input<Op>
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

/** Compares digests: their equal length lets the comparison take the same time for every wrong key. */
function requireKey(): MiddlewareObj<APIGatewayProxyEventV2> {
  return {
    before({ event }) {
      const { apiKey } = config()
      if (!apiKey) return
      const given = event.headers?.['x-api-key']
      if (given === undefined || given === null) throw unauthorized('the header x-api-key is missing')
      if (!timingSafeEqual(digest(given), digest(apiKey))) throw unauthorized('the x-api-key is not right')
    },
  }
}

/** A 401 has to name a scheme (RFC 9110, 15.5.2), also one that isn't registered. */
const unauthorized = (detail: string): AppError =>
  new AppError('unauthorized', detail, { headers: { 'www-authenticate': 'ApiKey' } })

function fillBody(): MiddlewareObj<APIGatewayProxyEventV2> {
  return {
    before({ event }) {
      if (event.body) return
      event.body = '{}'
      event.isBase64Encoded = false
      event.headers = { ...event.headers, 'content-type': 'application/json' }
    },
  }
}

const BODY_LIMIT = 262_144

function limitBody(): MiddlewareObj<APIGatewayProxyEventV2> {
  return {
    before({ event }) {
      if (Buffer.byteLength(event.body ?? '', event.isBase64Encoded ? 'base64' : 'utf8') <= BODY_LIMIT) return
      throw new AppError('payload_too_large', `the body is larger than ${BODY_LIMIT} bytes`)
    },
  }
}
