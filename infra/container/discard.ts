import type { IncomingMessage, ServerResponse } from 'node:http'
import { connectionOf } from './connections.ts'

/** Maximum number of bytes that are read from an unwanted body. API Gateway accepts bodies of this size. */
const DISCARDED_BYTES = 10 * 1024 * 1024

/** Milliseconds without any such bytes after which the connection is closed. */
const LINGER_MS = 2000

const discarded = new WeakSet<IncomingMessage>()

/**
 * Throws a body away as it arrives, and cuts the connection when it gets too large. Otherwise, Node would keep up to 64
 * KB of it, and wait for the rest.
 */
export const discard = (req: IncomingMessage): void => {
  if (discarded.has(req)) return
  discarded.add(req)
  let bytes = 0
  req.on('data', (piece: Buffer) => {
    bytes += piece.length
    free(piece)
    if (bytes > DISCARDED_BYTES) req.socket.destroy()
  })
}

/**
 * For a response that was sent before the request's body was complete: ends the response and closes the connection as
 * soon as the body is complete or stops arriving. If the server closed it earlier, the client might lose the response
 * (RFC 9112, 9.6).
 */
export const endAfterBody = (req: IncomingMessage, res: ServerResponse): void => {
  const connection = connectionOf(req.socket)
  const timer = setTimeout(() => res.end(), LINGER_MS)
  connection?.enter('sending')
  discard(req)
  req.on('data', () => {
    connection?.enter('sending')
    timer.refresh()
  })
  req.once('end', () => res.end())
  res.once('close', () => clearTimeout(timer))
}

/** Freeing a buffer smaller than this isn't worth the time. */
const WORTHWHILE_BYTES = 4096

/**
 * Frees a piece of a body that is no longer needed. The garbage collector would let about 64 MB of them pile up: 200
 * bodies of 5 MB took 93 MB, and now take 20.
 */
export const free = ({ buffer, byteLength }: Buffer): void => {
  // Some buffers are only a part of a larger one.
  if (byteLength < WORTHWHILE_BYTES || buffer.byteLength !== byteLength) return
  if (buffer instanceof ArrayBuffer) buffer.transfer(0)
}
