import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** A call: when it arrived, and when the response was sent or the caller disconnected, as `performance.now()` times. */
export type Call = { key: string; from: number; until: number }

export type Target = { url: string; calls: Call[]; close(): void }

/** Starts the server that http tasks call. It records the idempotency key and the duration of each call. */
export async function startTarget(answerMs: number): Promise<Target> {
  const calls: Call[] = []
  const server = createServer((request, response) => {
    const call = {
      key: String(request.headers['idempotency-key']),
      from: performance.now(),
      until: Number.POSITIVE_INFINITY,
    }
    calls.push(call)
    response.once('close', () => {
      call.until = performance.now()
    })
    void delay(answerMs).then(() => response.end('ok'))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}/`, calls, close: () => server.close().closeAllConnections() }
}
