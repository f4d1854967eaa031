import type { MiddlewareObj, Request } from '@middy/core'
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context } from 'aws-lambda'
import { config } from '../config.ts'
import { isUnreachable, whyUnavailable } from '../db.ts'
import { AppError, type ErrorCode } from '../errors.ts'
import { logger, logsInfo } from '../logger.ts'
import { callerOf } from './access.ts'
import { corsHeaders } from './cors.ts'
import { contentTag, isCurrent } from './etag.ts'
import type { Reply } from './operation.ts'
import { problemResponse, STATUS_OF } from './problem.ts'
import { securityHeaders } from './security-headers.ts'

/** The security headers of this process's responses. */
const SECURITY = securityHeaders({ isTls: config().publicUrl?.startsWith('https:') === true })

type Internal = { startedAt: number }
type HttpRequest = Request<APIGatewayProxyEventV2, unknown, Error, Context, Internal>

/** Turns replies and errors into responses, and logs each request once. */
export function respond(): MiddlewareObj<APIGatewayProxyEventV2, unknown, Error, Context, Internal> {
  return {
    before(request) {
      // Powertools' own middleware isn't used, because it would also reset the log level for each request. Only
      // log sampling needs that reset, which would take a third of the middleware stack's time.
      logger.addContext(request.context)
      request.internal.startedAt = performance.now()
    },
    after(request) {
      // Every handler in this stack returns a Reply, as required by the types of `httpHandler`.
      finish(request, tagged(request.event, replyResponse(request.response as Reply)))
    },
    onError(request) {
      finish(request, problemResponse(publicError(request.error), request.context.awsRequestId))
    },
  }
}

function replyResponse({
  status,
  body,
  headers,
  cookies,
  isBase64Encoded,
}: Reply): APIGatewayProxyStructuredResultV2 {
  const text = typeof body === 'string'
  return {
    statusCode: status,
    headers: { ...(!text && { 'content-type': 'application/json' }), ...headers },
    body: text ? body : JSON.stringify(body),
    ...(cookies && { cookies }),
    ...(isBase64Encoded && { isBase64Encoded }),
  }
}

/**
 * Returns the response to a read with a tag for its content, or a 304 if the client has that content already, so that
 * a client that asks every few seconds gets only what has changed. A task keeps its own tag, which is its version.
 */
function tagged(
  event: APIGatewayProxyEventV2,
  response: APIGatewayProxyStructuredResultV2,
): APIGatewayProxyStructuredResultV2 {
  const isRead = event.requestContext.http.method === 'GET' && callerOf(event) !== undefined
  if (!isRead || response.statusCode !== 200 || response.headers?.etag) return response
  const etag = contentTag(response.body ?? '')
  const headers = { ...response.headers, etag }
  return isCurrent(event.headers, etag) ? { statusCode: 304, headers, body: '' } : { ...response, headers }
}

/**
 * Returns the error that the caller sees. If the error is a bug, the caller gets no details; the stack trace goes only
 * to the log.
 */
function publicError(error: unknown): AppError {
  if (error instanceof AppError) return error
  const code = middyCode(error)
  if (code && error instanceof Error) return new AppError(code, error.message)
  if (isUnreachable(error)) {
    const reason = whyUnavailable(error)
    logger.error(reason, error as Error)
    return new AppError('unavailable', reason, { retryAfterSeconds: 5 })
  }
  logger.error('unexpected error', error as Error)
  return new AppError('internal', 'unexpected error; for details, search the log for this request_id')
}

/** Returns the code for an error from middy's own middlewares. Those errors carry an HTTP status. */
function middyCode(error: unknown): ErrorCode | undefined {
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined
  const codes = Object.keys(STATUS_OF) as ErrorCode[]
  return codes.find((code) => STATUS_OF[code] === status && STATUS_OF[code] < 500)
}

function finish(request: HttpRequest, response: APIGatewayProxyStructuredResultV2): void {
  const { method, path, sourceIp } = request.event.requestContext.http
  const requestId = request.context.awsRequestId
  request.response = withHeaders(response, requestId, request.event.headers)
  if (!logsInfo) return
  const asked = { method, path, client: sourceIp, caller: callerOf(request.event)?.name }
  logRequest(asked, response, performance.now() - request.internal.startedAt)
}

/** A request that gets a response before it reaches a handler. If it can't be read, it has no method or path. */
export type Refused = {
  method?: string
  path?: string
  client?: string
  requestId: string
  durationMs: number
  /** The `Origin` header, if the runtime could read it. */
  origin?: string | undefined
}

/** Returns the response for a request that the runtime itself refuses, and logs the request like any other. */
export function refuse(
  { requestId, durationMs, origin, ...asked }: Refused,
  error: AppError,
): APIGatewayProxyStructuredResultV2 {
  const response = withHeaders(problemResponse(error, requestId), requestId, { origin })
  if (logsInfo) logRequest({ request_id: requestId, ...asked }, response, durationMs)
  return response
}

function withHeaders(
  response: APIGatewayProxyStructuredResultV2,
  requestId: string,
  asked: Readonly<Record<string, string | undefined>>,
): APIGatewayProxyStructuredResultV2 {
  const isPage = String(response.headers?.['content-type']).startsWith('text/html')
  return {
    ...response,
    headers: {
      ...(isPage ? SECURITY.page : SECURITY.data),
      'cache-control': 'no-store',
      ...corsHeaders(asked),
      'x-request-id': requestId,
      ...response.headers,
    },
  }
}

function logRequest(
  asked: Record<string, string | undefined>,
  { statusCode: status }: APIGatewayProxyStructuredResultV2,
  durationMs: number,
): void {
  logger.info('request', { ...asked, status, duration_ms: Math.round(durationMs * 10) / 10 })
}
