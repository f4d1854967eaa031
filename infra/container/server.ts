import { once } from 'node:events'
import { createServer, type RequestListener, type ServerResponse } from 'node:http'
import { isIPv6 } from 'node:net'

export type Listening = {
  url: string
  /** Makes all remaining responses close their connections, so that clients reconnect elsewhere. */
  drain: () => void
  /**
   * Stops accepting connections, gives running requests up to `graceMs` milliseconds to finish, and cuts off the rest.
   */
  close: (graceMs: number) => Promise<void>
}

/** Serves `app`. If it can't listen on the host and port, rejects with an error that names both. */
export const listen = async (
  app: RequestListener,
  { host, port }: { host: string; port: number },
): Promise<Listening> => {
  const running = new Set<ServerResponse>()
  let closing: Promise<void> | undefined
  let draining = false
  const server = createServer({
    // Longer than a load balancer's usual idle timeout of 60 s, since the load balancer must be the first to close an
    // idle connection.
    keepAliveTimeout: 65_000,
    headersTimeout: 20_000,
    requestTimeout: 60_000,
  })
  const cutWhenIdle = () => closing !== undefined && running.size === 0 && server.closeAllConnections()
  // One function for all responses, since creating a closure for each response takes a measurable part of a small
  // request's time.
  function finished(this: ServerResponse) {
    running.delete(this)
    cutWhenIdle()
  }
  server.on('request', (req, res) => {
    if (draining) res.shouldKeepAlive = false
    running.add(res.on('close', finished))
    // Express responds with HTML to an absolute URL that it can't parse (http://[::bad/), before any route runs.
    if (!req.url?.startsWith('/')) req.url = (req.url ?? '').replace(/^[a-z]+:\/\/[^/?#]*\/?/i, '/')
    app(req, res)
  })
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

const reason = (error: NodeJS.ErrnoException): string => {
  if (error.code === 'EADDRINUSE') return 'the port is taken'
  if (error.code === 'EACCES') return 'this user is not allowed to use the port'
  return error.message
}
