import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

type Seen = Pick<IncomingMessage, 'method' | 'url' | 'headers'> & { body: string }

type Target = { url: string; seen: Seen[]; [Symbol.asyncDispose](): Promise<void> }

/** Starts a local server for tasks to call. It records each request, then lets `answer` respond. */
export async function startTarget(
  answer: (response: ServerResponse, seen: Seen, request: IncomingMessage) => unknown,
): Promise<Target> {
  const seen: Seen[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const { method, url, headers } = request
    const one = { method, url, headers, body: Buffer.concat(chunks).toString() }
    seen.push(one)
    await answer(response, one, request)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
