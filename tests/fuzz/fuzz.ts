import { randomInt } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import type { Answer, Client } from './client.ts'
import { operationOf } from './document.ts'
import { type FuzzRequest, requests } from './generate/requests.ts'
import type { LogCheck } from './log-check.ts'
import { faultOf } from './oracle.ts'

const { FUZZ_REQUESTS, FUZZ_SEED, FUZZ_PATH } = process.env

/** Number of requests in a whole run. */
export const REQUESTS = Number(FUZZ_REQUESTS ?? 100_000)

const SEED = Number(FUZZ_SEED ?? randomInt(2 ** 30))

/** The seed of the next lane. */
let seed = SEED

/** Number of responses by operation and status, such as `createTask 201`. */
export type Counts = Map<string, number>

export type Part = {
  client: Client
  /** What no response may contain. */
  secrets: readonly string[]
  requests: number
  /** Number of concurrent requests. */
  lanes: number
  counts: Counts
  /** How the runtime reads a request, if it differs from what was sent. */
  readsAs?: (request: FuzzRequest) => FuzzRequest
  /** Whether the runtime's own server refuses a request before any of our code runs. Such requests aren't sent. */
  isRefused?: (request: FuzzRequest) => boolean
}

/**
 * Sends random requests and checks each response. Throws an error that names the first wrong response of each lane,
 * with the seed and the path that reproduce it.
 */
export async function fuzz(part: Part): Promise<void> {
  const lanes = Array.from({ length: FUZZ_PATH ? 1 : part.lanes }, () => runLane(part))
  const faults = (await Promise.all(lanes)).filter((fault) => fault !== undefined)
  if (faults.length > 0) throw new Error(faults.join('\n\n'))
}

/** Sends one request after another. Returns the smallest request with a wrong response, or undefined. */
async function runLane(part: Part): Promise<string | undefined> {
  const { isRefused = () => false } = part
  const sent = requests.filter((request) => !isRefused(request))
  const property = fc.asyncProperty(sent, (request) => check(part, request))
  const repeated = FUZZ_PATH
    ? { path: FUZZ_PATH, numRuns: 1 }
    : { numRuns: Math.ceil(part.requests / part.lanes) }
  const run = await fc.check(property, { seed: seed++, ...repeated })
  if (!run.failed) return undefined
  return `${String(run.errorInstance)}\nrepeat it with FUZZ_SEED=${run.seed} FUZZ_PATH=${run.counterexamplePath}`
}

async function check(part: Part, given: FuzzRequest): Promise<void> {
  const { request, answer } = await exchange(part, given)
  const isKept = request.method === 'POST' && request.headers.some(([name]) => name === 'idempotency-key')
  if (!isKept || answer.status >= 300) return
  const { answer: second } = await exchange(part, request)
  const isSame = second.status === answer.status && isDeepStrictEqual(second.json, answer.json)
  if (!isSame)
    throw new Error(`the repeated request got a different response\n${show(given)}\n${showAnswer(second)}`)
}

/** Sends a request, and throws an error with the request and its response if the response is wrong. */
async function exchange(part: Part, given: FuzzRequest): Promise<{ request: FuzzRequest; answer: Answer }> {
  const { client, secrets, counts, readsAs = (it) => it } = part
  const { request, answer } = await client.send(given).catch((error: Error) => {
    throw new Error(`${error.message}\n${show(given)}`)
  })
  const read = readsAs(request)
  const name = `${operationOf(read.method, read.target)?.operationId ?? 'no route'} ${answer.status}`
  counts.set(name, (counts.get(name) ?? 0) + 1)
  const fault = faultOf(read, answer, secrets)
  if (fault) throw new Error(`${fault}\n${show(given)}\n${showAnswer(answer)}`)
  return { request, answer }
}

const SHOWN = 1500

const short = (text: string): string =>
  text.length > SHOWN ? `${text.slice(0, SHOWN)} … (${text.length})` : text

/** Returns a request with its placeholders, so that the key isn't printed. */
const show = ({ method, target, headers, body }: FuzzRequest): string =>
  short(
    [
      `${method} ${target}`,
      ...headers.map((pair) => pair.join(': ')),
      JSON.stringify(body?.toString() ?? null),
    ].join('\n'),
  )

const showAnswer = ({ status, headers, text }: Answer): string =>
  short(`→ ${status} ${JSON.stringify(headers)}\n${text}`)

/** Prints the seed that reproduces this run. */
export const announce = (name: string): void => console.log(`${name}: FUZZ_SEED=${SEED}`)

/** Prints how many responses there were of each status, by operation, and what stands out in the log. */
export function report(title: string, counts: Counts, { wrong, warnings }: LogCheck): void {
  const rows: Record<string, Record<string, number>> = {}
  for (const [name, count] of counts) {
    const status = name.slice(-3)
    const operation = name.slice(0, -4)
    for (const row of [operation, 'all']) {
      rows[row] ??= {}
      Object.assign(rows[row], { [status]: (rows[row][status] ?? 0) + count })
    }
  }
  console.log(title)
  console.table(rows)
  if (warnings.size > 0) console.table([...warnings])
  if (wrong.length > 0) console.log(wrong.join('\n'))
}
