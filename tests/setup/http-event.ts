import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context } from 'aws-lambda'
import { decode } from './decode.ts'

type HttpHandler = (
  event: APIGatewayProxyEventV2,
  context: Context,
) => Promise<APIGatewayProxyStructuredResultV2>

export type HttpCall = {
  method: string
  /** The path in serverless.yml. `{id}` is filled in from the path parameters. */
  path: string
  pathParameters?: Record<string, string>
  /** A string is sent as is. */
  query?: Record<string, string> | string
  /** Sent along with the API key and, if there is a body, the JSON content type. `undefined` removes a header. */
  headers?: Record<string, string | undefined>
  /** The request's cookies, each as name=value. */
  cookies?: string[]
  /** A string is sent as is, anything else as JSON. */
  body?: unknown
  base64?: boolean
  remainingMs?: number
  /** The client's address. */
  sourceIp?: string
}

/** The request id of every call. It is fixed so that whole responses can be compared. */
export const REQUEST_ID = '8f6e2c31-5a0b-4d57-9c55-0a1b2c3d4e5f'

/**
 * Calls a handler as API Gateway's HTTP API does (payload 2.0). Returns its response, with the body decoded and any
 * JSON parsed.
 */
export async function call(handler: HttpHandler, request: HttpCall) {
  return await respondTo(handler, toEvent(request), request)
}

/** Calls a handler as serverless-offline does: fields that API Gateway leaves out are null. */
export async function callOffline(handler: HttpHandler, request: HttpCall) {
  const absent = {
    body: null,
    cookies: null,
    pathParameters: null,
    queryStringParameters: null,
    stageVariables: null,
  }
  // The types don't allow these nulls, but serverless-offline sends them.
  const event = { ...absent, ...toEvent(request) } as unknown as APIGatewayProxyEventV2
  return await respondTo(handler, event, request)
}

async function respondTo(handler: HttpHandler, event: APIGatewayProxyEventV2, request: HttpCall) {
  const {
    statusCode,
    headers = {},
    body = '',
    isBase64Encoded,
    ...rest
  } = await handler(event, lambdaContext(request.remainingMs))
  // Every read has a tag for its content. The conformance suite tests it.
  const { etag, ...others } = headers
  const shown = String(etag).startsWith('W/') ? others : headers
  const json = /^application\/([a-z]+\+)?json$/.test(String(headers['content-type']))
  const text = decode(Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8'), headers['content-encoding'])
  return { statusCode, headers: shown, body: json && text ? JSON.parse(text) : text, ...rest }
}

function toEvent(request: HttpCall): APIGatewayProxyEventV2 {
  const {
    method,
    path,
    pathParameters = {},
    query = '',
    body,
    cookies,
    base64 = false,
    sourceIp = '203.0.113.7',
  } = request
  const rawPath = path.replaceAll(/\{(\w+)\}/g, (_, name) => pathParameters[name] ?? '')
  const rawQueryString = new URLSearchParams(query).toString()
  const routeKey = `${method} ${path}`
  return {
    version: '2.0',
    routeKey,
    rawPath,
    rawQueryString: typeof query === 'string' ? query : rawQueryString,
    headers: toHeaders(request),
    ...(cookies && { cookies }),
    ...(rawQueryString && { queryStringParameters: Object.fromEntries(new URLSearchParams(query)) }),
    ...(Object.keys(pathParameters).length > 0 && { pathParameters }),
    ...(body !== undefined && { body: toBody(body, base64) }),
    isBase64Encoded: base64,
    requestContext: {
      accountId: '123456789012',
      apiId: 'r3pmxmplak',
      domainName: 'r3pmxmplak.execute-api.eu-central-1.amazonaws.com',
      domainPrefix: 'r3pmxmplak',
      http: { method, path: rawPath, protocol: 'HTTP/1.1', sourceIp, userAgent: 'vitest' },
      requestId: 'JKJaXmPLvHcESHA=',
      routeKey,
      stage: '$default',
      time: '10/Mar/2027:05:16:23 +0000',
      timeEpoch: 1_804_655_783_000,
    },
  }
}

function toHeaders({ headers, body }: HttpCall): Record<string, string> {
  const all = {
    host: 'r3pmxmplak.execute-api.eu-central-1.amazonaws.com',
    'x-forwarded-for': '203.0.113.7',
    'x-forwarded-proto': 'https',
    'x-api-key': process.env.API_KEY,
    ...(body !== undefined && { 'content-type': 'application/json' }),
    ...headers,
  }
  const present = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return Object.fromEntries(present)
}

function toBody(body: unknown, base64: boolean): string {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return base64 ? Buffer.from(text).toString('base64') : text
}

/** Returns a context like Lambda's, with this many milliseconds left. */
export function lambdaContext(remainingMs = 10_000): Context {
  const refuse = (): never => {
    throw new Error('removed from the Node 24 runtime')
  }
  const deadline = performance.now() + remainingMs
  return {
    awsRequestId: REQUEST_ID,
    functionName: 'task-scheduler-dev-test',
    functionVersion: '$LATEST',
    invokedFunctionArn: 'arn:aws:lambda:eu-central-1:123456789012:function:task-scheduler-dev-test',
    memoryLimitInMB: '512',
    logGroupName: '/aws/lambda/task-scheduler-dev-test',
    logStreamName: '2027/03/10/[$LATEST]0123456789abcdef',
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(0, deadline - performance.now()),
    done: refuse,
    fail: refuse,
    succeed: refuse,
  }
}
