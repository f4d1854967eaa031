import { Agent, request } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'

/** What the good client is told, and what it reports. It has its own thread, so that the attack doesn't delay it. */
export type Order = { url: string; seconds: number; perSecond: number; key: string | undefined }
export type Report = { requests: number; p99Ms: number; errors: string[] }

const TIMEOUT_MS = 10_000

/** A valid task of 200 KiB that doesn't come due during the test. */
const task = (name: string) =>
  `{"name":"${name}","type":"sleep","schedule_type":"once","next_run_at":"2100-01-01"}`.padEnd(200 * 1024)

/** Sends `perSecond` GETs and as many POSTs each second. */
async function run({ url, seconds, perSecond, key }: Order): Promise<Report> {
  // Each request opens a new connection, for which the server has to find room.
  const agent = new Agent({ keepAlive: false })
  const times: number[] = []
  const errors: string[] = []
  const ask = async (method: string, body?: string): Promise<void> => {
    const from = performance.now()
    const status = await statusOf(url, { agent, method, key, body }).catch(String)
    if (status !== 200 && status !== 201) errors.push(`${method} ${status}`)
    times.push(performance.now() - from)
  }
  const asked: Promise<void>[] = []
  for (let count = 0; count < seconds * perSecond; count += 1) {
    asked.push(ask('GET'), ask('POST', task(`${process.hrtime.bigint()}`)))
    await wait(1000 / perSecond)
  }
  await Promise.all(asked)
  agent.destroy()
  const p99 = times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? 0
  return { requests: times.length, p99Ms: Math.round(p99), errors }
}

type Ask = { agent: Agent; method: string; key: string | undefined; body: string | undefined }

const statusOf = (url: string, { agent, method, key, body }: Ask): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const headers = {
      'content-type': 'application/json',
      ...(key !== undefined && { 'x-api-key': key }),
      ...(body !== undefined && { 'content-length': body.length }),
    }
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    request(`${url}/tasks?limit=20`, { agent, method, headers, signal, localAddress: '127.0.0.1' })
      .on('response', (response) => {
        response.on('error', reject).on('end', () => resolve(response.statusCode))
        response.resume()
      })
      .on('error', reject)
      .end(body)
  })

parentPort?.postMessage(await run(workerData))
