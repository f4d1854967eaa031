import type { IncomingMessage } from 'node:http'

/** Maximum size of a body: API Gateway's limit. */
const limitBytes = 10 * 1024 * 1024

type Fields = Readonly<Record<string, string | undefined>>

/** A request that is rejected before it reaches a handler. The client sees `message`. */
export class Refusal extends Error {
  override name = 'Refusal'
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** Returns whether a request has a body. Without Content-Length or Transfer-Encoding, it has none (RFC 9112, 6.3). */
export const announcesBody = (headers: Fields): boolean =>
  headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined

/**
 * Returns the whole body. Rejects with a Refusal (400, 413, 415) as soon as possible, without waiting for the rest of
 * the upload. Node discards the rest, so that the client receives the response.
 */
export const readBody = async (req: IncomingMessage, headers: Fields): Promise<Buffer> => {
  const { 'content-length': length = '0', 'content-encoding': encoding = 'identity' } = headers
  if (Number(length) > limitBytes) throw tooLarge()
  // API Gateway passes compressed bodies on unchanged, and no handler here decompresses them. Decompressing a
  // stranger's body is a classic way to run out of memory.
  if (encoding.toLowerCase() !== 'identity')
    throw new Refusal(415, `content-encoding ${encoding} isn't supported`)
  return collect(req)
}

const collect = (req: IncomingMessage): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    let chunks: Buffer[] = []
    let size = 0
    req.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size <= limitBytes) return chunks.push(chunk)
      chunks = []
      reject(tooLarge())
    })
    req.on('end', () => resolve(Buffer.concat(chunks)))
    req.on('error', () => reject(new Refusal(400, 'the request ended before its body was complete')))
  })

const tooLarge = () => new Refusal(413, `the body is larger than ${limitBytes} bytes`)
