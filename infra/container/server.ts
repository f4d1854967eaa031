import { once } from 'node:events'
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import { isIPv6, type Socket } from 'node:net'
import { AppError } from '../../shared/errors.ts'
import { type ConnectionLimits, Connections } from './connections.ts'
import { sendProblem } from './reply.ts'
import { normalize } from './target.ts'
import { refuseUnreadable } from './unreadable.ts'

export type Listening = {
  url: string
  /** Makes all remaining responses close their connections, so that clients reconnect elsewhere. */
  drain: () => void
  /**
   * Stops accepting connections, gives requests in progress up to `graceMs` milliseconds to finish, and cuts off the
   * rest.
   */
  close: (graceMs: number) => Promise<void>
}

/** Maximum number of headers. */
const HEADERS = 200

/** Bytes of a body that has not been asked for after which no more of it is read. Node's default is 64 KiB. */
const HELD_BYTES = 16_384

/** Milliseconds after which a client that reads none of its response is cut off. */
const UNREAD_MS = 30_000

type Settings = { host: string; port: number } & Partial<ConnectionLimits>

/**
 * Serves `app`, with limits on connections (none by default). If it can't listen on the host and port, rejects with
 * an error that names both.
 */
export const listen = async (
  app: RequestListener,
  {
    host,
    port,
    maxConnections = Number.POSITIVE_INFINITY,
    maxConnectionsPerAddress = Number.POSITIVE_INFINITY,
    unreadMs = UNREAD_MS,
  }: Settings,
): Promise<Listening> => {
  const running = new Set<ServerResponse>()
  const connections = new Connections({ maxConnections, maxConnectionsPerAddress, unreadMs })
  let closing: Promise<void> | undefined
  let draining = false
  const server = createLimited(connections)
  const cutWhenIdle = () => closing !== undefined && running.size === 0 && server.closeAllConnections()
  // One function for all responses, since creating a closure for each response takes a measurable part of a small
  // request's time.
  function finished(this: ServerResponse) {
    running.delete(this)
    connections.end(this)
    cutWhenIdle()
  }
  const serveWith = (answer: RequestListener) => (req: IncomingMessage, res: ServerResponse) => {
    if (!connections.begin(req, res)) return
    if (draining || endsConnection(req)) res.shouldKeepAlive = false
    running.add(res.on('close', finished))
    answer(req, res)
  }
  const serve = serveWith((req, res) => {
    // Node silently drops any headers beyond its limit.
    if (req.rawHeaders.length > 2 * HEADERS) return sendProblem(res, tooManyHeaders())
    req.url = normalize(req.url ?? '/')
    app(req, res)
  })
  const refuseExpectation = serveWith((_req, res) => sendProblem(res, unknownExpectation()))
  // Without `checkContinue`, Node would ask for a body before the key has been checked.
  server.on('request', serve).on('checkContinue', serve).on('checkExpectation', refuseExpectation)
  const drain = (): void => {
    draining = true
    for (const res of running) res.shouldKeepAlive = false
  }
  const stop = async (graceMs: number): Promise<void> => {
    const closed = once(server, 'close')
    drain()
    server.close()
    const timer = setTimeout(() => server.closeAllConnections(), graceMs)
    await closed
    clearTimeout(timer)
    connections.close()
  }
  server.listen(port, host)
  await once(server, 'listening').catch((cause) => {
    throw new Error(`can't listen on ${host}:${port}: ${reason(cause)}`, { cause })
  })
  const address = server.address()
  const bound = typeof address === 'object' && address !== null ? address.port : port
  return {
    url: `http://${isIPv6(host) ? `[${host}]` : host}:${bound}`,
    drain,
    close: (graceMs) => {
      closing ??= stop(graceMs)
      cutWhenIdle()
      return closing
    },
  }
}

/**
 * Returns whether it is unclear where the next request on the connection starts. After an upgrade request, Node drops
 * the rest of the packet. HTTP/1.0 has no chunks, though Node reads them (RFC 9112, 6.1).
 */
const endsConnection = ({ headers, httpVersion }: IncomingMessage): boolean =>
  headers.upgrade !== undefined || (httpVersion === '1.0' && headers['transfer-encoding'] !== undefined)

const reason = (error: NodeJS.ErrnoException): string => {
  if (error.code === 'EADDRINUSE') return 'the port is taken'
  if (error.code === 'EACCES') return 'this user is not allowed to use the port'
  return error.message
}

/** Returns a server that limits the number and duration of its connections. */
const createLimited = (connections: Connections): Server => {
  const server = createServer({
    // Longer than a load balancer's usual idle timeout of 60 s, since the load balancer must be the first to close an
    // idle connection.
    keepAliveTimeout: 65_000,
    headersTimeout: 10_000,
    requestTimeout: 60_000,
    // At most this much of a body, and the rest of the packet, is read before the handler wants it.
    highWaterMark: HELD_BYTES,
    connectionsCheckingInterval: 2000,
    // Node's own response would have no body. The adapter checks the header.
    requireHostHeader: false,
  })
  server.maxHeadersCount = HEADERS
  return (
    server
      .on('connection', (socket) => connections.open(socket))
      .on('timeout', (socket) => connections.timedOut(socket))
      // An HTTP server's connections are sockets, though the type is Duplex.
      .on('clientError', (error, socket) => refuseUnreadable(error, socket as Socket))
  )
}

const tooManyHeaders = () => new AppError('headers_too_large', `there are more than ${HEADERS} headers`)

const unknownExpectation = () => new AppError('expectation_failed', 'only Expect: 100-continue is supported')
