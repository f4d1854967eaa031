import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { ConnectionLimits } from '../../infra/container/connections.ts'
import { send } from '../../infra/container/reply.ts'
import { type Listening, listen } from '../../infra/container/server.ts'
import { eventually } from '../setup/eventually.ts'
import { type Client, head, open } from './sockets.ts'

const OTHER = '127.0.0.2'
/** Other systems have only one loopback address. */
const linux = test.skipIf(process.platform !== 'linux')
const MIB = 1024 * 1024

let server: Listening
let clients: Client[] = []
let waiting: ServerResponse[] = []

const large = Buffer.alloc(7 * MIB)

const answer = (req: IncomingMessage, res: ServerResponse): void => {
  if (req.url === '/wait') waiting.push(res)
  else send(res, { statusCode: 200, headers: {}, body: req.url === '/large' ? large : 'ok' })
}

const start = async (limits: Partial<ConnectionLimits>) => {
  server = await listen(answer, { host: '127.0.0.1', port: 0, ...limits })
}

const client = async (text = '', from?: string): Promise<Client> => {
  const one = await open(server.url, text, from)
  clients.push(one)
  return one
}

const get = (path: string) => head(`GET ${path} HTTP/1.1`, 'Host: a')

/** Opens a connection, which is idle once it has received an answer. */
const idle = async (from?: string): Promise<Client> => {
  const one = await client(get('/'), from)
  await eventually(() => expect(one.text()).toMatch(/ok$/))
  return one
}

const waitFor = (count: number) => eventually(() => expect(waiting).toHaveLength(count))

/** The server spares connections that have made progress in the last second. */
const becomeSlow = () => wait(1100)

/** Opens connections until one of them gets an answer. */
const admitted = (from?: string) =>
  eventually(async () => {
    const one = await client(get('/'), from)
    await Promise.race([once(one.socket, 'data'), one.closed])
    expect(one.text()).toMatch(/ok$/)
    return one
  })

const isOpen = ({ socket }: Client) => !socket.destroyed

beforeEach(() => {
  clients = []
  waiting = []
})

afterEach(async () => {
  for (const { socket } of clients) socket.destroy()
  await server.close(0)
})

test('when there are too many connections, replaces the one that has been idle longest', async () => {
  await start({ maxConnections: 3 })
  const slow = await client('GET / HTTP/1.1\r\n')
  const [first, second] = [await idle(), await idle()]
  await becomeSlow()
  await admitted()
  await first.closed
  expect([slow, second].map(isOpen)).toEqual([true, true])
})

test('if none is idle, replaces a connection that makes no progress, but never one that waits for a handler', async () => {
  await start({ maxConnections: 2 })
  const running = await client(get('/wait'))
  await waitFor(1)
  const slow = await client('GET / HTTP/1.1\r\n')
  await becomeSlow()
  await admitted()
  await slow.closed
  waiting[0]?.end('done')
  await eventually(() => expect(running.text()).toMatch(/done$/))
})

test('refuses a connection if all others wait for a handler', async () => {
  await start({ maxConnections: 2 })
  const running = [await client(get('/wait')), await client(get('/wait'))]
  await waitFor(2)
  expect(await (await client(get('/'))).closed).toBe('')
  expect(running.map(isOpen)).toEqual([true, true])
})

linux('limits the connections of one address without an effect on the others', async () => {
  await start({ maxConnections: 10, maxConnectionsPerAddress: 2 })
  const mine = await idle()
  const [first, second] = [await idle(OTHER), await idle(OTHER)]
  expect(await (await client(get('/'), OTHER)).closed).toBe('')
  await becomeSlow()
  await admitted(OTHER)
  await first.closed
  expect([mine, second].map(isOpen)).toEqual([true, true])
})

linux('makes room at the cost of the address with the most connections', async () => {
  await start({ maxConnections: 3 })
  const mine = await idle()
  await becomeSlow()
  const theirs = [await client('GET /', OTHER), await client('GET /', OTHER)]
  expect(await (await client(get('/'), OTHER)).closed).toBe('')
  await becomeSlow()
  await admitted(OTHER)
  await theirs[0]?.closed
  expect(isOpen(mine)).toBe(true)
})

test('no longer counts a connection once it is closed', async () => {
  await start({ maxConnections: 2, maxConnectionsPerAddress: 2 })
  for (let round = 0; round < 5; round += 1) {
    const running = [await client(get('/wait')), await client(get('/wait'))]
    await waitFor(2)
    waiting = []
    for (const { socket } of running) socket.resetAndDestroy()
    await eventually(async () => (await admitted()).socket.destroy())
  }
})

linux('cuts the oldest answers of the address that leaves most unread', async () => {
  await start({})
  const unread = async (from: string): Promise<Client> => {
    const one = await client('', from)
    one.socket.pause()
    one.socket.write(get('/large'))
    return one
  }
  const mine = await unread('127.0.0.1')
  const theirs: Client[] = []
  for (let count = 0; count < 8; count += 1) theirs.push(await unread(OTHER))
  for (const { socket } of [...theirs, mine]) socket.resume()
  const isWhole = ({ text }: Client) => text().length > large.length
  await eventually(() => expect([mine, ...theirs].every((it) => isWhole(it) || !isOpen(it))).toBe(true))
  expect(isWhole(mine)).toBe(true)
  // The last three of these answers and the first client's add up to 28 MiB.
  expect(theirs.map(isWhole)).toEqual([false, false, false, false, false, true, true, true])
})

test('cuts a connection whose client stops reading its answer', async () => {
  await start({ unreadMs: 200 })
  const one = await client()
  one.socket.pause()
  one.socket.write(get('/large'))
  const other = await idle()
  await wait(1000)
  one.socket.resume()
  expect((await one.closed).length).toBeLessThan(large.length)
  other.socket.write(get('/wait'))
  await waitFor(1)
  expect(isOpen(other)).toBe(true)
})

test('cuts a connection with many unanswered requests', async () => {
  await start({})
  const fine = await client(get('/wait').repeat(16))
  await waitFor(16)
  const cut = await client(get('/wait').repeat(17))
  expect(await cut.closed).toBe('')
  expect(isOpen(fine)).toBe(true)
})

test('answers more requests on one connection than may wait at once', async () => {
  await start({ maxConnections: 1 })
  const one = await client()
  for (let count = 1; count <= 40; count += 1) {
    one.socket.write(get('/'))
    await eventually(() => expect(one.text().match(/200 OK/g)).toHaveLength(count))
  }
})
