import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'

/** One connection through the link. */
type Wire = {
  /** Whatever its client has sent so far had this text. */
  says(text: string): boolean
}

export type Link = {
  /** The same database, by way of this link. */
  url: string
  /**
   * Connections that are open now and that `which` picks are dead from now on: nothing comes through, and nobody is
   * told.
   */
  vanish(which?: (wire: Wire) => boolean): void
  /** Nothing comes through on any connection, new ones included, until `resume`; nothing gets lost. */
  stall(): void
  resume(): void
  /** Delays each piece by this many more milliseconds from now on, each way. */
  delay(ms: number): void
  close(): void
}

/** How much of what a client has sent is remembered. */
const REMEMBERED = 20_000

type Pair = Wire & { client: Socket; server: Socket; dead: boolean; heard: string; waiting: (() => void)[] }

const TLS = new URL('tls/', import.meta.url)

/** Who trusts it sees a server that it can verify: `NODE_EXTRA_CA_CERTS`. */
export const CERTIFICATE = fileURLToPath(new URL('cert.pem', TLS))

/** Says yes to the SSLRequest that comes first (PostgreSQL manual, 54.2.10), and goes on over TLS. */
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

/** A TCP proxy in front of a database, which breaks as networks do. */
export async function startLink(databaseUrl: string, options: { tls?: boolean } = {}): Promise<Link> {
  const to = new URL(databaseUrl)
  const pairs = new Set<Pair>()
  let stalled = false
  let delayMs = 0
  const pass = (pair: Pair, from: Socket, into: Socket): void => {
    // What comes first goes first, however the delay changes.
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
