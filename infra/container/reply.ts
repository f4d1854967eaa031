import { randomUUID } from 'node:crypto'
import { type ServerResponse, validateHeaderName, validateHeaderValue } from 'node:http'
import type { AppError } from '../../shared/errors.ts'
import { refuse } from '../../shared/http/respond.ts'
import { announcesBody } from './body.ts'
import { noteAnswer } from './connections.ts'
import { decodeBase64 } from './decode-base64.ts'
import { discard, endAfterBody } from './discard.ts'

type Reply = { statusCode: number; headers: Record<string, string | string[]>; body: string | Buffer }

// Headers that handlers can't set, since this server handles framing. API Gateway also drops or replaces them.
const ownHeaders = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/**
 * Converts a handler's result to a response, following the rules of payload 2.0: a result with a `statusCode` is a
 * response, and anything else becomes the JSON body of a 200. If the result can't be sent, throws a TypeError before
 * sending anything.
 */
export const toReply = (result: unknown): Reply => {
  if (!isRecord(result) || result.statusCode === undefined) {
    const body = typeof result === 'string' ? result : JSON.stringify(result ?? undefined)
    if (body === undefined) throw new TypeError('the handler returned nothing that can be sent')
    return { statusCode: 200, headers: { 'content-type': 'application/json' }, body }
  }
  const { statusCode, body = '' } = result
  if (typeof statusCode !== 'number' || !Number.isInteger(statusCode) || statusCode < 200 || statusCode > 599)
    throw new TypeError(`the handler returned the status code ${String(statusCode)}`)
  if (body !== null && typeof body !== 'string')
    throw new TypeError(`the handler returned a body of type ${typeof body}`)
  return {
    statusCode,
    headers: readHeaders(result.headers, result.cookies, body ? 'text/plain;charset=UTF-8' : undefined),
    body: result.isBase64Encoded === true ? decodeBase64(body ?? '') : (body ?? ''),
  }
}

const readHeaders = (given: unknown, cookies: unknown, defaultType: string | undefined): Reply['headers'] => {
  const headers: Reply['headers'] = defaultType === undefined ? {} : { 'content-type': defaultType }
  for (const [key, value] of Object.entries(given ?? {})) {
    const name = key.toLowerCase()
    if (value === undefined || value === null || ownHeaders.has(name)) continue
    if (typeof value === 'object') throw new TypeError(`the handler returned an object as header ${name}`)
    headers[name] = checkHeader(name, String(value))
  }
  if (cookies === undefined || cookies === null) return headers
  if (!Array.isArray(cookies)) throw new TypeError('the handler returned cookies that are not an array')
  headers['set-cookie'] = [headers['set-cookie'] ?? [], cookies]
    .flat()
    .map((cookie) => checkHeader('set-cookie', String(cookie)))
  return headers
}

/** The last valid value of each header. Most headers have the same value in every response. */
const valid = new Map<string, string>()

/** Maximum number of headers that are remembered. */
const REMEMBERED = 100

// writeHead would also throw, but only after it has set the status line, which an error response would then inherit.
const checkHeader = (name: string, value: string): string => {
  if (valid.get(name) === value) return value
  validateHeaderName(name)
  validateHeaderValue(name, value)
  if (valid.size < REMEMBERED) valid.set(name, value)
  return value
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null

/** Length above which a body isn't sent as a string. */
const LARGE = 16_384

/** Sends a reply, unless the client has disconnected or a response has already been sent. */
export const send = (res: ServerResponse, reply: Reply): void => {
  if (res.headersSent || res.destroyed) return
  const { statusCode, headers } = reply
  // If the body were a string, Node would keep three bytes per character until the client had read it.
  const body =
    reply.body.length > LARGE && typeof reply.body === 'string' ? Buffer.from(reply.body) : reply.body
  // Set explicitly, since Node omits this header from a response to HEAD.
  const bytes = Buffer.byteLength(body)
  if (statusCode !== 204 && statusCode !== 304) headers['content-length'] = String(bytes)
  // Text with one byte per character is ASCII. Node writes it and the headers faster as Latin-1.
  const encoding = bytes === body.length ? 'latin1' : 'utf8'
  const ready = { statusCode, headers, body, encoding } as const
  if (res.req.complete || !announcesBody(res.req.headers)) write(res, ready)
  else {
    // A thousand connections that each kept a packet until the response is sent would take 64 MB.
    discard(res.req)
    // Once the current packet has been read, it's known whether the request is complete.
    setImmediate(() => {
      if (res.headersSent || res.destroyed) return
      const writeNow = res.req.complete ? write : writeEarly
      writeNow(res, ready)
    })
  }
}

type Ready = Reply & { encoding: 'latin1' | 'utf8' }

const write = (res: ServerResponse, { statusCode, headers, body, encoding }: Ready): void => {
  res.writeHead(statusCode, headers).end(body, encoding)
  noteAnswer(res)
}

/** Sends a reply while the request's body is still arriving. */
const writeEarly = (res: ServerResponse, { statusCode, headers, body, encoding }: Ready): void => {
  res.shouldKeepAlive = false
  res.writeHead(statusCode, headers).flushHeaders()
  res.write(body, encoding)
  noteAnswer(res)
  endAfterBody(res.req, res)
}

/** Sends an error as an RFC 9457 problem, and logs the request. */
export const sendProblem = (
  res: ServerResponse,
  error: AppError,
  { requestId = randomUUID(), durationMs = 0 } = {},
): void => {
  const { method = '', url = '', socket, headers } = res.req
  const client = socket.remoteAddress ?? ''
  const asked = { method, path: pathOf(url), client, origin: headers.origin }
  send(res, toReply(refuse({ ...asked, requestId, durationMs }, error)))
}

const pathOf = (url: string): string => url.split('?', 1)[0] ?? ''
