import { randomUUID } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { AppError } from '../../shared/errors.ts'
import { refuse } from '../../shared/http/respond.ts'
import { connectionOf } from './connections.ts'
import { toReply } from './reply.ts'

/** `rawPacket`: what the parser couldn't read, with everything before it in the same packet. */
type ParserError = NodeJS.ErrnoException & { rawPacket?: Buffer }

/** Milliseconds that a client has to read the answer before its connection is closed. */
const LINGER_MS = 1000

/**
 * If Node's parser can't read a request, or if the request takes too long to arrive, answers with a problem, as for any
 * other error, and closes the connection. If a request is already being handled (the unreadable part may be its body),
 * its handler answers.
 */
export const refuseUnreadable = (error: ParserError, socket: Socket): void => {
  // Anything that arrives after the answer is reported as unreadable again.
  if (socket.destroyed || socket.writableEnded) return
  const connection = connectionOf(socket)
  if (connection && connection.requests > 0) connection.fail(toProblem(error))
  else if (socket.bytesRead === 0) socket.destroy()
  else {
    socket.end(toText(error, socket.remoteAddress ?? ''))
    setTimeout(() => socket.destroy(), LINGER_MS).unref()
  }
}

const toText = (error: ParserError, client: string): string => {
  // It may be only the last part of the request, or missing if the request took too long.
  const head = error.rawPacket?.toString('latin1') ?? ''
  const origin = /^origin:[ \t]*(\S+)/im.exec(head)?.[1]
  const refused = refuse({ client, origin, requestId: randomUUID(), durationMs: 0 }, toProblem(error))
  const { statusCode, headers, body } = toReply(refused)
  const all = {
    ...headers,
    date: new Date().toUTCString(),
    connection: 'close',
    'content-length': Buffer.byteLength(body),
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  const top = `HTTP/1.1 ${statusCode} ${STATUS_CODES[statusCode]}\r\n${lines.join('')}\r\n`
  // A response to HEAD has no body (RFC 9110, 9.3.2).
  return head.startsWith('HEAD ') ? top : top + body
}

const toProblem = ({ code }: ParserError): AppError => {
  if (code === 'HPE_HEADER_OVERFLOW') return new AppError('headers_too_large', 'the headers are too large')
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') {
    return new AppError('payload_too_large', 'the chunk extensions are too large')
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new AppError('request_timeout', 'the request took too long to arrive')
  }
  return new AppError('bad_request', "the request can't be read as HTTP/1.1")
}
