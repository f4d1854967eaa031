import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { AppError } from '../../shared/errors.ts'
import { clientOf } from './client.ts'
import { CutLog } from './cut-log.ts'

export type ConnectionLimits = {
  maxConnections: number
  maxConnectionsPerAddress: number
  /** Milliseconds after which a client that reads none of its response is cut off. */
  unreadMs: number
}

/**
 * Maximum total size, in bytes, of all responses that clients haven't read yet. The system's own buffers aren't
 * included.
 */
const UNREAD_BYTES = 32 * 1024 * 1024

/**
 * Milliseconds without progress after which a connection counts as slow, and may be cut to make room for another one.
 */
const SLOW_MS = 1000

/**
 * Maximum number of unanswered requests on one connection. Hardly any client sends a second request before the first
 * has been answered.
 */
const PIPELINED = 16

/**
 * What a connection is waiting for: a request or its body, the handler, a client that reads its response, or the next
 * request.
 */
type State = 'sending' | 'waiting' | 'reading' | 'idle'

type Client = { address: string; connections: Set<Connection>; unreadBytes: number }

class Connection {
  readonly owner: Connections
  readonly socket: Socket
  readonly client: Client
  state: State = 'sending'
  /**
   * When it entered this state, on the monotonic clock. An occasional byte doesn't change this, so it can't hide that a
   * connection is slow.
   */
  since = performance.now()
  /** The number of requests without a complete response, and the response to the latest one. */
  requests = 0
  response: ServerResponse | undefined
  unreadBytes = 0
  /** Why nothing more can be read, and whom to tell if a body is being read. */
  failure: AppError | undefined
  onFailure: ((error: AppError) => void) | undefined

  constructor(owner: Connections, socket: Socket, client: Client) {
    this.owner = owner
    this.socket = socket
    this.client = client
  }

  /** Notes that nothing more can be read, so that the connection ends with the response that is due. */
  fail(error: AppError): void {
    if (this.response?.headersSent) this.socket.destroy()
    else if (this.response) this.response.shouldKeepAlive = false
    this.failure = error
    this.onFailure?.(error)
  }

  /** Notes what the connection is now waiting for. */
  enter(state: State): void {
    if (this.state === state) return
    this.state = state
    this.since = performance.now()
  }
}

/** Looking up a property is faster than looking up a WeakMap entry, and each request needs two lookups. */
const CONNECTION = Symbol('connection')

type KnownSocket = Socket & { [CONNECTION]?: Connection }

/** Returns what is known about a socket. A socket that was refused, or belongs to another server, isn't known. */
export const connectionOf = (socket: KnownSocket): Connection | undefined => socket[CONNECTION]

/** Notes that a response has been handed to Node, and how much of it the client still has to read. */
export const noteAnswer = (res: ServerResponse): void => {
  if (res.writableLength === 0) return
  const connection = connectionOf(res.req.socket)
  connection?.owner.answered(connection, res.writableLength)
}

/**
 * Limits a server's connections, in total and for each client, and how much memory their unread responses take. When a
 * limit is reached, the slowest connection is cut: the one that has been idle longest or, if none is idle, the one that
 * has gone longest without progress. A connection that is waiting for a handler doesn't count as slow. If no connection
 * is slow, the new one is refused.
 */
export class Connections {
  readonly #limits: ConnectionLimits
  readonly #all = new Set<Connection>()
  readonly #clients = new Map<string, Client>()
  /** The connections with unread responses. The one that has had such a response for longest comes first. */
  readonly #unread = new Set<Connection>()
  readonly #cuts = new CutLog()
  #unreadBytes = 0

  constructor(limits: ConnectionLimits) {
    this.#limits = limits
  }

  /** Admits a new connection, or refuses it. */
  open(socket: KnownSocket): void {
    const address = clientOf(socket.remoteAddress ?? '')
    const client = this.#clients.get(address) ?? { address, connections: new Set(), unreadBytes: 0 }
    if (!this.#makeRoomFor(client)) {
      this.#cuts.count('refused', address)
      socket.resetAndDestroy()
      return
    }
    const connection = new Connection(this, socket, client)
    socket[CONNECTION] = connection
    this.#all.add(connection)
    this.#clients.set(address, client)
    client.connections.add(connection)
    socket.once('close', () => this.#forget(connection))
  }

  /** Notes that a request has arrived. Returns false if its connection has been cut. */
  begin({ socket }: IncomingMessage, res: ServerResponse): boolean {
    const connection = connectionOf(socket)
    // Requests from the same packet still arrive after a cut.
    if (connection === undefined || socket.destroyed) return false
    connection.requests += 1
    connection.response = res
    connection.state = 'waiting'
    if (connection.requests <= PIPELINED) return true
    this.#cut(connection, 'pipelined')
    return false
  }

  /**
   * Notes that a response is waiting for its client to read it. If all unread responses together take too much memory,
   * closes the connections with the oldest ones.
   */
  answered(connection: Connection, bytes: number): void {
    if (!this.#all.has(connection)) return
    connection.enter('reading')
    connection.unreadBytes += bytes
    connection.client.unreadBytes += bytes
    this.#unreadBytes += bytes
    this.#unread.add(connection)
    // Node sets another timeout when the response has been read.
    connection.socket.setTimeout(this.#limits.unreadMs)
    while (this.#unreadBytes > UNREAD_BYTES) this.#cutUnread()
  }

  /** Notes that a response has been read, or never will be. */
  end({ req }: ServerResponse): void {
    const connection = connectionOf(req.socket)
    if (connection === undefined) return
    connection.requests -= 1
    connection.enter(connection.requests === 0 ? 'idle' : 'waiting')
    if (connection.requests > 0) return
    connection.response = undefined
    this.#forgetUnread(connection)
  }

  /** Closes a connection that has been idle for too long, or whose client hasn't read anything for too long. */
  timedOut(socket: Socket): void {
    const connection = connectionOf(socket)
    if (connection?.state === 'reading') this.#cut(connection, 'stalled')
    else socket.destroy()
  }

  /** Logs the cuts that haven't been logged yet. */
  close(): void {
    this.#cuts.tell()
  }

  #makeRoomFor(client: Client): boolean {
    const { maxConnections, maxConnectionsPerAddress } = this.#limits
    const { connections } = client
    if (connections.size >= maxConnectionsPerAddress && !this.#cutSlowest(connections)) return false
    if (this.#all.size < maxConnections) return true
    const busiest = this.#busiest()
    // A client with few connections may displace a connection from a client with many, even if that connection isn't
    // slow.
    const isFew = connections.size * 2 < busiest.connections.size
    if (this.#cutSlowest(busiest.connections, isFew ? 0 : SLOW_MS)) return true
    return busiest !== client && this.#cutSlowest(this.#all)
  }

  /** Returns the client with the most connections. Its connections are the first to be cut when room is needed. */
  #busiest(): Client {
    let busiest: Client = { address: '', connections: new Set(), unreadBytes: 0 }
    for (const client of this.#clients.values()) {
      if (client.connections.size > busiest.connections.size) busiest = client
    }
    return busiest
  }

  #cutSlowest(connections: Set<Connection>, slowMs = SLOW_MS): boolean {
    const latest = performance.now() - slowMs
    let slowest: Connection | undefined
    for (const one of connections) {
      if (one.state === 'waiting' || one.since > latest) continue
      if (slowest === undefined || isSlower(one, slowest)) slowest = one
    }
    if (slowest) this.#cut(slowest, slowest.state)
    return slowest !== undefined
  }

  /** Cuts the connection with the oldest unread response among those of the client with the most unread bytes. */
  #cutUnread(): void {
    let worst: Connection | undefined
    for (const one of this.#unread) {
      if (worst === undefined || one.client.unreadBytes > worst.client.unreadBytes) worst = one
    }
    if (worst) this.#cut(worst, 'unread')
  }

  #cut(connection: Connection, reason: string): void {
    this.#cuts.count(reason, connection.client.address)
    this.#forget(connection)
    // Resetting the connection also frees what the system has buffered for the client.
    if (connection.state === 'idle') connection.socket.destroy()
    else connection.socket.resetAndDestroy()
  }

  #forget(connection: Connection): void {
    const { address, connections } = connection.client
    this.#forgetUnread(connection)
    if (!this.#all.delete(connection)) return
    connections.delete(connection)
    if (connections.size === 0) this.#clients.delete(address)
  }

  #forgetUnread(connection: Connection): void {
    if (connection.unreadBytes === 0) return
    this.#unread.delete(connection)
    this.#unreadBytes -= connection.unreadBytes
    connection.client.unreadBytes -= connection.unreadBytes
    connection.unreadBytes = 0
  }
}

const isSlower = (a: Connection, b: Connection): boolean =>
  (a.state === 'idle') === (b.state === 'idle') ? a.since < b.since : a.state === 'idle'
