import { STATUS_CODES } from 'node:http'

/** What this uses of hapi, which serves the API inside serverless-offline. */
export type HapiServer = {
  ext(event: 'onRequest' | 'onPreResponse', extension: (request: HapiRequest, h: Toolkit) => unknown): void
  events: { on(event: 'response', listener: (request: HapiRequest) => void): void }
  stop(options: { timeout: number }): Promise<void>
}

type HapiRequest = { headers: Record<string, string | undefined>; response: HapiResponse }

type HapiResponse = { isBoom?: boolean; message: string; output: { statusCode: number }; source?: unknown }

type Toolkit = {
  continue: symbol
  response(body: string): { code(status: number): { type(contentType: string): unknown } }
}

/** Removes from serverless-offline what neither API Gateway nor the container would answer. */
export function correctHttp(server: HapiServer): void {
  // It lets every website read this API and write to it: it reflects the origin of each request, with credentials
  // allowed, and answers every preflight. Handlers read the raw headers, so they still see the origin.
  server.ext('onRequest', (request, h) => {
    delete request.headers.origin
    return h.continue
  })
  server.ext('onPreResponse', ({ response }, h) => {
    const status = errorStatus(response)
    if (status === undefined) return h.continue
    const detail = status < 500 ? response.message : 'internal error'
    const problem = { type: 'about:blank', title: STATUS_CODES[status], status, detail }
    return h.response(JSON.stringify(problem)).code(status).type('application/problem+json')
  })
  limitRequests(server)
}

/**
 * Hides hapi's own errors (a body beyond 10 MiB, a badly encoded path), and a handler's, which would leave as a 200
 * with its stack.
 */
function errorStatus({ isBoom, output, source }: HapiResponse): number | undefined {
  if (isBoom) return output.statusCode
  return typeof source === 'string' && source.startsWith('{"errorMessage":') ? 500 : undefined
}

/**
 * Each request that finds no idle worker starts one, for 0.3 s of CPU time. 200 at once on two cores kept each other
 * busy until 178 had timed out. In a queue all of them are answered, at the same rate.
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
  // Emitted once for every request, even if its client has gone.
  server.events.on('response', (request) => {
    running.delete(request)
    const [next] = waiting.keys()
    if (next) admit(next)
  })
}
