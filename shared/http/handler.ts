import middy, { type MiddlewareObj } from '@middy/core'
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context } from 'aws-lambda'
import type * as z from 'zod'
import { config } from '../config.ts'
import { type Database, db, limitsOf } from '../db.ts'
import { AppError } from '../errors.ts'
import { parseBody, parseParameters, readQuery } from '../parse.ts'
import { ANYONE } from '../scope.ts'
import { callerOf, requireAccess } from './access.ts'
import { withDeadline } from './deadline.ts'
import { onceByKey } from './idempotency.ts'
import { parseJson } from './json-body.ts'
import { limitJson } from './json-limits.ts'
import { BODY_LIMIT, receiveBody } from './late-body.ts'
import type { HttpRequest, Operation, Reply } from './operation.ts'
import { respond } from './respond.ts'

type Parsed<Schema> = Schema extends z.ZodType ? z.output<Schema> : undefined

type Input<Op extends Operation> = {
  path: Parsed<Op['path']>
  query: Parsed<Op['query']>
  body: Parsed<Op['body']>
}

type Handler = ((
  event: APIGatewayProxyEventV2,
  context: Context,
) => Promise<APIGatewayProxyStructuredResultV2>) & {
  operation: Operation
}

/** If a request takes too long, a 504 is sent this many milliseconds before the runtime would end the invocation. */
const TIMEOUT_EARLY_MS = 500

/**
 * Returns a Lambda handler for a route of an HTTP API (payload 2.0), with the middy stack that all routes share.
 * `before` hooks run in the order below, `after` and `onError` hooks in reverse order. `respond` comes first, so that
 * it sees what all other middlewares returned or threw, and turns it into a response. If an error escaped from the
 * handler, serverless-offline would send a 200.
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
  })
    .use(respond())
    .use(requireAccess(operation.access))
  if (operation.body) stack.use(takeBody(operation.bodyLimit))
  if (operation.bodyOptional) stack.use(fillBody())
  if (operation.body) stack.use(limitJson()).use(parseJson())
  stack.handler(async (event: APIGatewayProxyEventV2, context: Context) => {
    const request = toRequest(event, context)
    const answer = async () => await run(readInput(operation, event), request)
    return operation.access !== 'public' && event.requestContext.http.method === 'POST'
      ? await onceByKey(request, operation, answer)
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
    caller: callerOf(event) ?? ANYONE,
    get sql() {
      sql ??= withDeadline(db(), { answerAt, startsBy: answerAt - statementMs })
      return sql
    },
  }
}

/**
 * The cast is safe because these values have been parsed with the schemas of `Op`. Under serverless-offline, the event
 * has null for absent values.
 */
function readInput<Op extends Operation>(operation: Op, event: APIGatewayProxyEventV2): Input<Op> {
  const { path, query, body, immutable } = operation
  return {
    path: path && parseParameters(path, event.pathParameters ?? {}),
    query: query && parseParameters(query, readQuery(event.rawQueryString ?? '')),
    body: body && parseBody(body, event.body, immutable),
  } as Input<Op>
}

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

function takeBody(limit = BODY_LIMIT): MiddlewareObj<APIGatewayProxyEventV2> {
  return {
    async before({ event }) {
      await receiveBody(event)
      // serverless-offline passes the JSON bodies false and 0 on as values, not as text.
      if (Buffer.byteLength(event.body || '', event.isBase64Encoded ? 'base64' : 'utf8') <= limit) return
      throw new AppError('payload_too_large', `the body is larger than ${limit} bytes`)
    },
  }
}
