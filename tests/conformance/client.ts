import { Agent, type IncomingHttpHeaders, request } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { decode } from '../setup/decode.ts'

export type Call = {
  method?: string
  /** Path and query, sent unchanged. fetch would normalize malformed paths. */
  path: string
  headers?: Record<string, string>
  body?: string | Buffer
}

/** A response. `body` is decoded, and parsed if it's JSON. */
export type Answer = { status: number; headers: IncomingHttpHeaders; body: unknown }

const TIMEOUT_MS = 15_000

/**
 * Sends one request on its own keep-alive connection. Without keep-alive, the response to a rejected body would be
 * lost.
 */
export function send(url: string, { method = 'GET', path, headers = {}, body }: Call): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url)
    const agent = new Agent({ keepAlive: true })
    const length = body === undefined ? {} : { 'content-length': `${Buffer.byteLength(body)}` }
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    const options = { hostname, port, method, path, headers: { ...length, ...headers }, agent, signal }
    const sent = request(options, async (response) => {
      try {
        const { statusCode: status = 0, headers: received } = response
        const body = decode(await buffer(response), received['content-encoding'])
        resolve({ status, headers: received, body: parse(body, received['content-type']) })
      } catch (error) {
        reject(error)
      } finally {
        agent.destroy()
      }
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

function parse(body: string, contentType = ''): unknown {
  return body !== '' && /[/+]json/.test(contentType) ? JSON.parse(body) : body
}
