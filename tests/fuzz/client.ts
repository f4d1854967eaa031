import { Agent, type IncomingHttpHeaders, request as open } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib'
import type { FuzzRequest } from './generate/requests.ts'

export type Answer = {
  status: number
  headers: IncomingHttpHeaders
  text: string
  /** The parsed body if the response is JSON, and undefined if it isn't or can't be parsed. */
  json: unknown
}

/** Milliseconds until a request counts as hanging. The API's own limit is 10 seconds. */
const LONGEST_MS = 20_000

/** Number of remembered ids of each kind. */
const REMEMBERED = 10

/** Sends requests over keep-alive connections, and remembers ids and cursors from the responses. */
export class Client {
  readonly #url: URL
  readonly #key: string
  readonly #agent: Agent
  readonly #seen = new Map<string, string[]>()

  constructor(url: string, key: string, connections: number) {
    this.#url = new URL(url)
    this.#key = key
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections })
  }

  /** Returns the response, and the request without placeholders. Rejects if there is no response in 20 seconds. */
  async send({ target, headers, ...rest }: FuzzRequest): Promise<{ request: FuzzRequest; answer: Answer }> {
    const filled = headers.map(([name, value]): [string, string] => [name, this.#fill(value)])
    const request = { ...rest, target: this.#fill(target), headers: filled }
    const answer = await this.#exchange(request)
    if (answer.status < 300) this.#remember(target, answer)
    return { request, answer }
  }

  /** Closes the connections. */
  close(): void {
    this.#agent.destroy()
  }

  #fill(text: string): string {
    return text.replace(/~([a-z]+)(\d?)~/g, (_, kind, index) =>
      kind === 'key' ? this.#key : (this.#seen.get(kind)?.at(-1 - Number(index)) ?? '1'),
    )
  }

  #exchange(request: FuzzRequest): Promise<Answer> {
    const { method, target, headers, body } = request
    return new Promise((resolve, reject) => {
      const { host, hostname, port } = this.#url
      const all = ['host', host, ...headers.flat()]
      const options = { agent: this.#agent, hostname, port, method, path: target, headers: all }
      const sent = open(options, (response) => {
        const { statusCode: status = 0, headers } = response
        buffer(response)
          .then((received) => {
            clearTimeout(timer)
            const text = decompress(received, headers['content-encoding']).toString()
            resolve({ status, headers, text, json: parse(text, headers['content-type']) })
          })
          .catch(reject)
      })
      const timer = setTimeout(() => sent.destroy(new Error(`no response in ${LONGEST_MS} ms`)), LONGEST_MS)
      sent.on('error', (error: NodeJS.ErrnoException) => {
        clearTimeout(timer)
        // The server may have closed the idle connection at this very moment.
        if (error.code === 'ECONNRESET' && sent.reusedSocket) resolve(this.#exchange(request))
        else reject(error)
      })
      sent.end(body)
    })
  }

  #remember(target: string, { json, headers }: Answer): void {
    for (const item of [json].flat().slice(0, 5)) {
      const { id, task_id } = (item ?? {}) as { id?: unknown; task_id?: unknown }
      const kind = task_id === undefined ? target.split(/[/?]/)[1] : 'executions'
      if (kind && (typeof id === 'number' || typeof id === 'string')) this.#add(kind, String(id))
    }
    const cursor = /[?&]cursor=([^&>]+)/.exec(String(headers.link))?.[1]
    if (cursor) this.#add('cursor', cursor)
  }

  #add(kind: string, value: string): void {
    const values = [...(this.#seen.get(kind) ?? []), value]
    this.#seen.set(kind, values.slice(-REMEMBERED))
  }
}

function decompress(received: Buffer, encoding = 'identity'): Buffer {
  // A 304, or a response to HEAD, has none of the body that its headers describe.
  if (encoding === 'identity' || received.length === 0) return received
  if (encoding === 'gzip') return gunzipSync(received)
  if (encoding === 'br') return brotliDecompressSync(received)
  if (encoding === 'deflate') return inflateSync(received)
  throw new Error(`unknown content-encoding ${encoding}`)
}

function parse(received: string, contentType = ''): unknown {
  if (!/[/+]json/.test(contentType)) return undefined
  try {
    return JSON.parse(received)
  } catch {
    return undefined
  }
}
