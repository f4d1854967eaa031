import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import { head } from '../sockets.ts'
import type { Order, Report } from './good-client.ts'

/** What a hostile client sends first, what it sends again and again, and whether it reads. */
type Attack = { first: string; again?: string; reads: boolean }

const post = (path: string, length: number) =>
  head(`POST ${path} HTTP/1.1`, 'Host: a', 'Content-Type: application/json', `Content-Length: ${length}`)

export const ATTACKS = {
  'unread answers': { first: head('GET /docs/swagger-ui-bundle.js HTTP/1.1', 'Host: a'), reads: false },
  'slow headers': { first: 'GET /tasks HTTP/1.1\r\nHost: a\r\n', again: 'X-A: b\r\n', reads: true },
  'slow bodies': { first: post('/tasks', 250_000) + ' '.repeat(200_000), again: ' ', reads: true },
  'bodies that nobody wants, byte by byte': { first: post('/healthz', 1_000_000), again: 'x', reads: true },
  idle: { first: '', reads: true },
} as const satisfies Record<string, Attack>

/** Often enough that no connection goes a second without a byte. */
const AGAIN_MS = 400

/** How many GETs, and how many POSTs, the good client sends per second. */
const PER_SECOND = 20

/** Lets the server's heap grow to the size that it needs for such requests anyway. */
const WARM_UP = { seconds: 5, perSecond: 100 }

const HOSTILE_ADDRESS = '127.0.0.2'

export type Outcome = { grownMb: number; good: Report }

type Plan = { attack: Attack; connections: number; seconds: number; key?: string | undefined }

/**
 * Attacks a server for some seconds, from an address of its own, while a good client keeps using it. Returns the peak
 * growth of the server's memory, and what the good client saw. The good client starts first, since the memory that its
 * requests take must not count as the attack's.
 */
export async function underAttack(
  { url, pid }: { url: string; pid: number },
  { attack, connections, seconds, key }: Plan,
): Promise<Outcome> {
  await startGoodClient({ url, key, ...WARM_UP })
  const memory = await watchMemory(pid)
  const good = startGoodClient({ url, key, seconds, perSecond: PER_SECOND })
  const sockets = Array.from({ length: connections }, () => openOne(url, attack))
  const timer = setInterval(() => sendAgain(sockets, attack), AGAIN_MS)
  try {
    return { good: await good, grownMb: memory.stop() }
  } finally {
    clearInterval(timer)
    for (const socket of sockets) socket.resetAndDestroy()
  }
}

async function startGoodClient(order: Order): Promise<Report> {
  const worker = new Worker(new URL('./good-client.ts', import.meta.url), { workerData: order })
  const [report] = await once(worker, 'message')
  return report
}

function openOne(url: string, { first, reads }: Attack): Socket {
  const { port } = new URL(url)
  const socket = connect({ port: Number(port), host: '127.0.0.1', localAddress: HOSTILE_ADDRESS })
  socket.on('error', () => {})
  if (reads) socket.resume()
  else socket.pause()
  socket.write(first)
  return socket
}

function sendAgain(sockets: Socket[], { again }: Attack): void {
  if (again === undefined) return
  for (const socket of sockets) if (socket.writable) socket.write(again)
}

/** Returns how much memory a process is using, in bytes. Linux only. */
async function memoryOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
}

const SAMPLE_MS = 100

async function watchMemory(pid: number): Promise<{ stop(): number }> {
  const before = await memoryOf(pid)
  let most = before
  const timer = setInterval(async () => {
    most = Math.max(most, await memoryOf(pid).catch(() => most))
  }, SAMPLE_MS)
  return {
    stop() {
      clearInterval(timer)
      return Math.round((most - before) / 1e6)
    },
  }
}
