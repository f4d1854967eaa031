import type { IncomingMessage, ServerResponse } from 'node:http'
import type { APIGatewayProxyEventV2 } from 'aws-lambda'
import { AppError } from '../../shared/errors.ts'
import { BODY_LIMIT } from '../../shared/http/late-body.ts'
import type { BodyAccount, BodyBudget } from './body-budget.ts'
import { connectionOf } from './connections.ts'
import { discard, free } from './discard.ts'

/**
 * Maximum time for a body, in milliseconds: without progress, and in total.
 */
const PROGRESS_MS = 10_000
/** Less than the server's `requestTimeout`, so that the client gets a response. */
const WHOLE_MS = 50_000

type Fields = Readonly<Record<string, string | undefined>>

/** Returns whether a request has a body. Without Content-Length or Transfer-Encoding, it has none (RFC 9112, 6.3). */
export const announcesBody = (headers: Readonly<Record<string, unknown>>): boolean =>
  headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined

/**
 * Counts what has arrived of a body toward the budget, until the returned account is closed or the response has been
 * sent. Nothing more is read until then, because that is more than the server's `highWaterMark`. Throws `unavailable`.
 */
export const holdArrived = async (
  req: IncomingMessage,
  res: ServerResponse,
  { requestContext }: APIGatewayProxyEventV2,
  budget: BodyBudget,
): Promise<BodyAccount> => {
  // Most of what arrives comes in the same packet as the headers, which Node's parser hasn't finished yet.
  await undefined
  const account = budget.open(requestContext.http.sourceIp)
  if (req.readableLength > 0) {
    account.take(req.readableLength)
    res.once('close', () => account.close())
  }
  return account
}

/**
 * Returns the whole body. Its bytes count toward the budget until the response has been sent. Throws an AppError as
 * soon as possible, without waiting for the rest of the upload: `payload_too_large` above `limit` bytes,
 * `unsupported_media_type`, `unavailable` if there is no room, `request_timeout`, or `bad_request` if the client has
 * disconnected.
 */
export const readBody = async (
  req: IncomingMessage,
  res: ServerResponse,
  { headers, requestContext }: APIGatewayProxyEventV2,
  budget: BodyBudget,
  limit = BODY_LIMIT,
): Promise<Buffer> => {
  refuseByHeaders(headers, limit)
  // Most bodies arrive in the same packet as the headers, which Node's parser hasn't finished yet.
  await undefined
  if (res.destroyed) throw cutShort()
  const account = budget.open(requestContext.http.sourceIp)
  res.once('close', () => account.close())
  try {
    if (req.readableLength === Number(headers['content-length'])) return takeArrived(req, account)
    if (waitsForContinue(req, headers)) res.writeContinue()
    return await collect(req, new Pieces(account, lengthOf(headers, limit)))
  } catch (error) {
    account.close()
    throw error
  }
}

/** Returns the announced length of a body, or the largest possible one. */
const lengthOf = ({ 'content-length': length }: Fields, limit: number): number => Number(length ?? limit)

const refuseByHeaders = (headers: Fields, limit: number): void => {
  const { 'content-encoding': encoding = 'identity' } = headers
  if (lengthOf(headers, limit) > limit) throw tooLarge(limit)
  // API Gateway passes compressed bodies on unchanged, and no handler here decompresses them. Decompressing a
  // stranger's body is a classic way to run out of memory.
  if (encoding.toLowerCase() === 'identity') return
  throw new AppError('unsupported_media_type', `content-encoding ${encoding} isn't supported`)
}

const waitsForContinue = ({ httpVersion }: IncomingMessage, { expect }: Fields): boolean =>
  httpVersion === '1.1' && expect?.toLowerCase() === '100-continue'

/** Returns a body that has arrived as a whole. */
const takeArrived = (req: IncomingMessage, account: BodyAccount): Buffer => {
  const body: Buffer = req.read() ?? Buffer.alloc(0)
  account.take(body.length)
  return body
}

const collect = async (req: IncomingMessage, body: Pieces): Promise<Buffer> => {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const connection = connectionOf(req.socket)
  const latest = performance.now() + WHOLE_MS
  const late = setTimeout(() => reject(tooSlow()), PROGRESS_MS)
  const add = (piece: Buffer): void => {
    connection?.enter('sending')
    late.refresh()
    if (performance.now() > latest) reject(tooSlow())
    try {
      body.add(piece)
    } catch (error) {
      reject(error)
    }
  }
  connection?.enter('sending')
  if (connection) connection.onFailure = reject
  if (connection?.failure) reject(connection.failure)
  req
    .on('data', add)
    .on('end', resolve)
    .on('error', () => reject(cutShort()))
  try {
    await promise
    return body.whole
  } catch (error) {
    body.drop()
    discard(req)
    throw error
  } finally {
    clearTimeout(late)
    req.off('data', add)
    connection?.enter('waiting')
    if (connection) connection.onFailure = undefined
  }
}

/** Copies pieces into one buffer. A one-byte chunk that is kept as it arrived would take more than 100 bytes. */
class Pieces {
  readonly #account: BodyAccount
  readonly #most: number
  #buffer = Buffer.alloc(0)
  #size = 0

  constructor(account: BodyAccount, mostBytes: number) {
    this.#account = account
    this.#most = mostBytes
  }

  get whole(): Buffer {
    return this.#buffer.subarray(0, this.#size)
  }

  add(piece: Buffer): void {
    const size = this.#size + piece.length
    if (size > this.#most) throw tooLarge(this.#most)
    if (size > this.#buffer.length) this.#growTo(Math.max(size, 2 * this.#buffer.length))
    piece.copy(this.#buffer, this.#size)
    this.#size = size
    free(piece)
  }

  /** Frees what has been copied. */
  drop(): void {
    free(this.#buffer)
    this.#buffer = Buffer.alloc(0)
    this.#size = 0
  }

  #growTo(bytes: number): void {
    const capacity = Math.min(bytes, this.#most)
    this.#account.take(capacity - this.#buffer.length)
    const larger = Buffer.allocUnsafeSlow(capacity)
    this.#buffer.copy(larger)
    free(this.#buffer)
    this.#buffer = larger
  }
}

const tooLarge = (limit: number) =>
  new AppError('payload_too_large', `the body is larger than ${limit} bytes`)

const tooSlow = () => new AppError('request_timeout', 'the body took too long to arrive')

const cutShort = () => new AppError('bad_request', 'the request ended before its body was complete')
