import { randomUUID } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import { STATUS_OF } from '../../shared/http/problem.ts'
import { securityHeaders } from '../../shared/http/security-headers.ts'

/** The parts of hapi that are used here. hapi serves the API inside serverless-offline. */
export type HapiServer = {
  ext(event: 'onRequest' | 'onPreResponse', extension: (request: HapiRequest, h: Toolkit) => unknown): void
  events: { on(event: 'response', listener: (request: HapiRequest) => void): void }
  stop(options: { timeout: number }): Promise<void>
}

type HapiRequest = { headers: Record<string, string | undefined>; response: HapiResponse }

type HapiResponse = { isBoom?: boolean; message: string; output: { statusCode: number }; source?: unknown }

type Toolkit = {
  continue: symbol
  response(body: string): HapiReply
}

type HapiReply = {
  code(status: number): HapiReply
  type(contentType: string): HapiReply
  header(name: string, value: string): HapiReply
}

const SECURITY = Object.entries(securityHeaders({ isTls: false }).data)

/**
 * Headers that hapi must not act on. Handlers read the raw headers, so they still see them. Given an origin,
 * serverless-offline would let every website read from and write to this API: it reflects the origin, allows
 * credentials, and accepts every preflight. Given the other headers, hapi would send partial responses, 304s or 416s.
 */
const ONLY_FOR_HANDLERS = ['origin', 'range', 'if-range', 'if-none-match', 'if-modified-since']

/** Prevents responses from serverless-offline that neither API Gateway nor the container would send. */
export function correctHttp(server: HapiServer): void {
  server.ext('onRequest', (request, h) => {
    for (const name of ONLY_FOR_HANDLERS) delete request.headers[name]
    return h.continue
  })
  server.ext('onPreResponse', ({ response }, h) => {
    const status = errorStatus(response)
    if (status === undefined) return h.continue
    const problem = problemOf(status, status < 500 ? response.message : 'internal error')
    const answer = h.response(JSON.stringify(problem)).code(status).type('application/problem+json')
    const headers: [string, string][] = [...SECURITY, ['x-request-id', problem.request_id]]
    return headers.reduce((it, [name, value]) => it.header(name, value), answer)
  })
  limitRequests(server)
}

/**
 * Returns the status of an error response, or undefined for other responses. An error is either hapi's own (a body over
 * 10 MiB, a path that isn't encoded correctly) or a handler's. serverless-offline would send a handler's error as a 200
 * with its stack.
 */
function errorStatus({ isBoom, output, source }: HapiResponse): number | undefined {
  if (isBoom) return output.statusCode
  return typeof source === 'string' && source.startsWith('{"errorMessage":') ? 500 : undefined
}

function problemOf(status: number, detail: string) {
  const [code] = Object.entries(STATUS_OF).find(([, it]) => it === status) ?? ['bad_request']
  return { type: 'about:blank', title: STATUS_CODES[status], status, code, detail, request_id: randomUUID() }
}

/**
 * Maximum number of requests that run at once; further requests wait in a queue. A request that finds no idle worker
 * starts one, which takes 0.3 s of CPU time. Without a limit, 200 concurrent requests on two cores slowed each other
 * down so much that 178 timed out. With the queue, all 200 got a response, and the throughput was the same.
 */
const REQUESTS_AT_ONCE = 8

function limitRequests(server: HapiServer): void {
  const running = new Set<HapiRequest>()
  const waiting = new Map<HapiRequest, () => void>()
  const admit = (request: HapiRequest): void => {
    running.add(request)
    waiting.get(request)?.()
    waiting.delete(request)
  }
  server.ext('onRequest', async (request, h) => {
    if (running.size < REQUESTS_AT_ONCE) admit(request)
    else await new Promise<void>((resolve) => waiting.set(request, resolve))
    return h.continue
  })
  // Emitted once for every request, even if its client has disconnected.
  server.events.on('response', (request) => {
    running.delete(request)
    const [next] = waiting.keys()
    if (next) admit(next)
  })
}
