import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'

/** One connection through the link. */
type Wire = {
  /** Returns whether the client has already sent this text. */
  says(text: string): boolean
}

export type Link = {
  /** The URL of the same database through this link. */
  url: string
  /**
   * Makes connections half-open, if `which` selects them: no more data passes through them, and neither side is
   * notified.
   */
  vanish(which?: (wire: Wire) => boolean): void
  /** Holds back all data on every connection, including new connections, until `resume`. No data is lost. */
  stall(): void
  resume(): void
  /** From now on, delays each chunk by this many milliseconds, in both directions. */
  delay(ms: number): void
  close(): void
}

/** Approximate maximum number of bytes remembered from each client. */
const REMEMBERED = 20_000

type Pair = Wire & { client: Socket; server: Socket; dead: boolean; heard: string; waiting: (() => void)[] }

const TLS = new URL('tls/', import.meta.url)

/** Clients that trust this certificate, through `NODE_EXTRA_CA_CERTS`, can verify the server. */
export const CERTIFICATE = fileURLToPath(new URL('cert.pem', TLS))

/** Accepts the SSLRequest that a client sends first (PostgreSQL manual, 54.2.10), and switches to TLS. */
async function secure(raw: Socket): Promise<Socket> {
  await once(raw, 'data')
  const socket = new TLSSocket(raw, {
    isServer: true,
    key: readFileSync(new URL('key.pem', TLS)),
    cert: readFileSync(CERTIFICATE),
  })
  raw.write('S')
  return socket
}

/** Starts a TCP proxy in front of a database. The proxy can fail the way networks do. */
export async function startLink(databaseUrl: string, options: { tls?: boolean } = {}): Promise<Link> {
  const to = new URL(databaseUrl)
  const pairs = new Set<Pair>()
  let stalled = false
  let delayMs = 0
  const pass = (pair: Pair, from: Socket, into: Socket): void => {
    // Keeps the chunks in order even if the delay changes.
    let last = Promise.resolve()
    from.on('data', (chunk: Buffer) => {
      if (pair.dead) return
      if (from === pair.client && pair.heard.length < REMEMBERED) pair.heard += chunk.toString('latin1')
      const write = (): void => {
        if (!pair.dead) into.write(chunk)
      }
      if (stalled) pair.waiting.push(write)
      else {
        const at = performance.now() + delayMs
        last = last.then(async () => {
          if (at > performance.now()) await wait(at - performance.now())
          write()
        })
      }
    })
    from.on('error', () => {})
    from.on('close', () => {
      if (!pair.dead) setTimeout(() => into.destroy(), delayMs)
      pairs.delete(pair)
    })
  }
  const server = createServer(async (raw) => {
    raw.on('error', () => {})
    const client = options.tls ? await secure(raw) : raw
    const upstream = connect(Number(to.port), to.hostname)
    const pair: Pair = {
      client,
      server: upstream,
      dead: false,
      heard: '',
      waiting: [],
      says: (text) => pair.heard.includes(text),
    }
    pairs.add(pair)
    pass(pair, client, upstream)
    pass(pair, upstream, client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = new URL(databaseUrl)
  url.hostname = options.tls ? 'localhost' : '127.0.0.1'
  if (options.tls) url.searchParams.set('sslmode', 'verify-full')
  url.port = String((server.address() as AddressInfo).port)
  return {
    url: url.href,
    vanish(which = () => true) {
      for (const pair of pairs) pair.dead ||= which(pair)
    },
    stall() {
      stalled = true
    },
    resume() {
      stalled = false
      for (const pair of pairs) for (const write of pair.waiting.splice(0)) write()
    },
    delay(ms) {
      delayMs = ms
    },
    close() {
      server.close()
      for (const { client, server: upstream } of pairs) {
        client.destroy()
        upstream.destroy()
      }
    },
  }
}
