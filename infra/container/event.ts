import type { APIGatewayProxyEventV2 } from 'aws-lambda'
import type { Request } from 'express'
import { AppError } from '../../shared/errors.ts'

// API Gateway passes bodies of these types as text. It encodes all other bodies in base64, including forms and bodies
// without a type (measured on AWS in ministackorg/ministack#766).
const textTypes = /^(?:text\/|application\/(?:json|xml|javascript)\s*(?:;|$))/i

/**
 * Returns API Gateway's event (HTTP API, payload 2.0) for a request, without its body. Throws a URIError if the path
 * isn't encoded correctly, and `bad_request` if there isn't exactly one Host header.
 */
export const toEvent = (req: Request, routeKey: string, requestId: string): APIGatewayProxyEventV2 => {
  const { cookies, headers } = readHeaders(req.rawHeaders)
  if (headers.host === undefined && req.httpVersion === '1.1') {
    throw new AppError('bad_request', 'the Host header is missing')
  }
  const mark = req.url.indexOf('?')
  const path = req.path.includes('%') ? decodeURIComponent(req.path) : req.path
  const domainName = headers.host?.replace(/:\d+$/, '') ?? ''
  const timeEpoch = Date.now()
  const event: APIGatewayProxyEventV2 = {
    version: '2.0',
    routeKey,
    rawPath: path,
    rawQueryString: mark === -1 ? '' : req.url.slice(mark + 1),
    headers,
    requestContext: {
      accountId: '000000000000',
      apiId: 'container',
      domainName,
      domainPrefix: domainName.split('.', 1)[0] ?? '',
      http: {
        method: req.method,
        path,
        protocol: `HTTP/${req.httpVersion}`,
        sourceIp: sourceOf(req, headers),
        userAgent: headers['user-agent'] ?? '',
      },
      requestId,
      routeKey,
      stage: '$default',
      time: toLogTime(timeEpoch),
      timeEpoch,
    },
    isBase64Encoded: false,
  }
  if (cookies.length > 0) event.cookies = cookies
  if (event.rawQueryString !== '') event.queryStringParameters = readQuery(event.rawQueryString)
  const parameters = readParameters(req.params)
  if (parameters !== undefined) event.pathParameters = parameters
  return event
}

/** Adds a body to the event, as text or in base64 like API Gateway. An empty body isn't added. */
export const setBody = (event: APIGatewayProxyEventV2, body: Buffer): void => {
  if (body.length === 0) return
  event.isBase64Encoded = !textTypes.test(event.headers['content-type'] ?? '')
  event.body = body.toString(event.isBase64Encoded ? 'base64' : 'utf8')
}

// Express's `ip` takes trusted proxies into account, but reading it costs a microsecond, so it is read only if the
// request has an X-Forwarded-For header. A socket that also listens on IPv6 reports IPv4 addresses as ::ffff:127.0.0.1.
const sourceOf = (req: Request, headers: Record<string, string>): string => {
  const address = 'x-forwarded-for' in headers ? req.ip : req.socket.remoteAddress
  return address?.replace('::ffff:', '') ?? ''
}

// Without a prototype, `__proto__` is a name like any other.
const emptyFields = (): Record<string, string> => Object.create(null)

const add = (fields: Record<string, string>, name: string, value: string): void => {
  fields[name] = name in fields ? `${fields[name]},${value}` : value
}

// Node's own `headers` joins a header's values with ', ', and drops repeats of some headers. API Gateway joins the
// values of every header with ','.
const readHeaders = (raw: string[]): { cookies: string[]; headers: Record<string, string> } => {
  const headers = emptyFields()
  const cookies: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]?.toLowerCase() ?? ''
    const value = raw[i + 1] ?? ''
    // RFC 9112, 3.2. A proxy in front of this server might route the request by the other Host header.
    if (name === 'host' && name in headers)
      throw new AppError('bad_request', 'there are several Host headers')
    if (name === 'cookie') cookies.push(...value.split(/; */).filter(Boolean))
    else add(headers, name, value)
  }
  return { cookies, headers }
}

const readQuery = (text: string): Record<string, string> => {
  const query = emptyFields()
  for (const [name, value] of new URLSearchParams(text)) add(query, name, value)
  return query
}

const readParameters = (params: Request['params']): Record<string, string> | undefined => {
  let parameters: Record<string, string> | undefined
  for (const name in params) {
    const value = params[name] ?? ''
    parameters ??= {}
    parameters[name] = Array.isArray(value) ? value.join('/') : value
  }
  return parameters
}

let lastTime = { second: 0, text: '' }

// Converts Thu, 12 Mar 2020 19:03:58 GMT to 12/Mar/2020:19:03:58 +0000. The text is cached for a second, since
// formatting it takes as long as building the rest of the event.
const toLogTime = (epoch: number): string => {
  const second = Math.floor(epoch / 1000)
  if (second !== lastTime.second) {
    const utc = new Date(epoch).toUTCString()
    const text = `${utc.slice(5, 7)}/${utc.slice(8, 11)}/${utc.slice(12, 16)}:${utc.slice(17, 25)} +0000`
    lastTime = { second, text }
  }
  return lastTime.text
}
