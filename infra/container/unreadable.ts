import { randomUUID } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { AppError } from '../../shared/errors.ts'
import { refuse } from '../../shared/http/respond.ts'
import { connectionOf } from './connections.ts'
import { toReply } from './reply.ts'

/** Milliseconds that a client has to read the answer before its connection is closed. */
const LINGER_MS = 1000

/**
 * If Node's parser can't read a request, or if the request takes too long to arrive, answers with a problem, as for any
 * other error, and closes the connection. If a request is already being handled (the unreadable part may be its body),
 * its handler answers.
 */
export const refuseUnreadable = (error: NodeJS.ErrnoException, socket: Socket): void => {
  // Anything that arrives after the answer is reported as unreadable again.
  if (socket.destroyed || socket.writableEnded) return
  const connection = connectionOf(socket)
  if (connection && connection.requests > 0) connection.fail(toProblem(error))
  else if (socket.bytesRead === 0) socket.destroy()
  else {
    socket.end(toText(toProblem(error), socket.remoteAddress ?? ''))
    setTimeout(() => socket.destroy(), LINGER_MS).unref()
  }
}

const toText = (error: AppError, client: string): string => {
  const refused = refuse({ client, requestId: randomUUID(), durationMs: 0 }, error)
  const { statusCode, headers, body } = toReply(refused)
  const all = {
    ...headers,
    date: new Date().toUTCString(),
    connection: 'close',
    'content-length': Buffer.byteLength(body),
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${statusCode} ${STATUS_CODES[statusCode]}\r\n${lines.join('')}\r\n${body}`
}

const toProblem = ({ code }: NodeJS.ErrnoException): AppError => {
  if (code === 'HPE_HEADER_OVERFLOW') return new AppError('headers_too_large', 'the headers are too large')
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') {
    return new AppError('payload_too_large', 'the chunk extensions are too large')
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new AppError('request_timeout', 'the request took too long to arrive')
  }
  return new AppError('bad_request', "the request can't be read as HTTP/1.1")
}
