import { setTimeout as wait } from 'node:timers/promises'
import type { APIGatewayProxyEventV2 } from 'aws-lambda'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import * as z from 'zod'
import { createApp } from '../../infra/container/adapter.ts'
import { type Listening, listen } from '../../infra/container/server.ts'
import type { LambdaHandler } from '../../infra/service/handlers.ts'
import type { Service } from '../../infra/service/service.ts'
import { httpHandler } from '../../shared/http/handler.ts'
import { receiveBody } from '../../shared/http/late-body.ts'
import { eventually } from '../setup/eventually.ts'
import { type Client, head, open } from './sockets.ts'

const about = { tag: 'Tasks', access: 'write', summary: '', description: '', responses: {} } as const

let received: string[] = []
let gate = Promise.withResolvers<void>()

const handlers: Record<string, unknown> = {
  keep: httpHandler({ ...about, body: z.looseObject({}) }, async ({ body }) => {
    received.push(JSON.stringify(body))
    return { status: 200, body: 'kept' }
  }),
  hold: httpHandler({ ...about, body: z.looseObject({}) }, async () => {
    await gate.promise
    return { status: 200, body: 'held' }
  }),
  ignore: httpHandler(about, () => ({ status: 200, body: 'ignored' })),
  // As if the key had to be looked up first.
  admit: Object.assign(
    async (event: APIGatewayProxyEventV2) => {
      await gate.promise
      await receiveBody(event)
      return { statusCode: 200, body: 'admitted' }
    },
    { operation: { body: z.looseObject({}) } },
  ),
  wait: httpHandler(about, async () => {
    await gate.promise
    return { status: 200, body: 'waited' }
  }),
}

const TIMEOUT_SECONDS = 2

const service: Service = {
  name: 'bodies',
  root: '.',
  functions: Object.keys(handlers).map((name) => ({
    name,
    file: '',
    exportName: 'handler',
    timeoutSeconds: TIMEOUT_SECONDS,
    memoryMb: 128,
    routes: [{ key: `POST /${name}`, method: 'POST', path: `/${name}` }],
    scheduled: false,
  })),
}

const post = (path: string, length: number, ...more: string[]) =>
  head(
    `POST ${path} HTTP/1.1`,
    'Host: a',
    'Content-Type: application/json',
    `Content-Length: ${length}`,
    'x-api-key: test-key',
    ...more,
  )

let server: Listening

beforeAll(async () => {
  const app = createApp(service, handlers as Record<string, LambdaHandler>, {
    onError: (error) => expect.fail(String(error)),
  })
  server = await listen(app, { host: '127.0.0.1', port: 0 })
})

afterAll(() => server.close(0))

beforeEach(() => {
  received = []
  gate = Promise.withResolvers()
})

/** Returns a JSON object of this many bytes. */
const json = (bytes: number) => `{"a":"${'x'.repeat(bytes - '{"a":""}'.length)}"}`

const answer = (client: Client, pattern: RegExp | string) =>
  eventually(() => expect(client.text()).toMatch(pattern))

const MIB = 1024 * 1024

test('answers a request with a wrong key without waiting for its body, and reads none of it', async () => {
  const wrong = post('/keep', 200_000).replace('test-key', 'wrong')
  const client = await open(server.url, `${wrong}{"a":`)
  await answer(client, /^HTTP\/1\.1 401 .*"code":"unauthorized".*\}$/s)
  expect(client.socket.destroyed).toBe(false)
  client.socket.write(json(200_000).slice(5))
  expect(await client.closed).toMatch(/Connection: close/)
  expect(received).toEqual([])
})

test('sends 100 Continue for an Expect request only after checking the key', async () => {
  const refused = await open(server.url, post('/keep', 2, 'Expect: 100-continue').replace('test-key', 'x'))
  await answer(refused, /^HTTP\/1\.1 401 /)
  const ignored = await open(server.url, post('/ignore', 2, 'Expect: 100-continue'))
  await answer(ignored, /^HTTP\/1\.1 200 /)
  const client = await open(server.url, post('/keep', 2, 'Expect: 100-continue', 'Connection: close'))
  await answer(client, /^HTTP\/1\.1 100 Continue\r\n\r\n$/)
  client.socket.write('{}')
  expect(await client.closed).toMatch(/HTTP\/1\.1 200 OK.*kept$/s)
  for (const { socket } of [refused, ignored]) socket.destroy()
})

test('discards a body that the operation does not take, whatever the body contains', async () => {
  const url = `${server.url}/ignore`
  const headers = { 'x-api-key': 'test-key' }
  const gzip = { ...headers, 'content-encoding': 'gzip' }
  for (const init of [{ headers }, { headers: gzip }]) {
    const response = await fetch(url, { method: 'POST', body: new Uint8Array(5 * MIB), ...init })
    expect([response.status, await response.text()]).toEqual([200, 'ignored'])
  }
})

test.for([
  ['taken', post('/keep', 2)],
  ['ignored', post('/ignore', 2)],
  ['refused', post('/keep', 2).replace('test-key', 'wrong')],
  ['malformed', post('/keep', 2).replace('json', 'xml')],
] as const)('keeps a connection open if the body has arrived when it is %s', async ([, text]) => {
  const client = await open(server.url, `${text}{}`)
  await answer(client, /Connection: keep-alive/)
  client.socket.write(`${post('/keep', 2, 'Connection: close')}{}`)
  expect(await client.closed).toMatch(/Connection: close.*kept$/s)
})

test('cuts a connection after 10 MiB of a body that nobody wants', async () => {
  const client = await open(server.url, post('/wait', 20 * MIB))
  for (let sent = 0; sent < 20; sent += 1) client.socket.write(Buffer.alloc(MIB))
  expect(await client.closed).toBe('')
  gate.resolve()
})

test('rejects a body over 256 KiB as soon as its length or its size is known', async () => {
  const declared = await open(server.url, post('/keep', 262_145))
  await answer(declared, /^HTTP\/1\.1 413 .*"code":"payload_too_large".*\}$/s)
  const chunked = post('/keep', 0).replace(/Content-Length: 0/, 'Transfer-Encoding: chunked')
  const counted = await open(server.url, `${chunked}40001\r\n${'x'.repeat(0x40001)}`)
  await answer(counted, /^HTTP\/1\.1 413 .*"code":"payload_too_large".*\}$/s)
  for (const { socket } of [declared, counted]) socket.destroy()
  expect(received).toEqual([])
})

test('accepts a body of 256 KiB, in pieces of any size', async () => {
  const whole = json(262_144)
  const client = await open(server.url, post('/keep', whole.length, 'Connection: close'))
  for (let at = 0; at < whole.length; at += 10_007) client.socket.write(whole.slice(at, at + 10_007))
  expect(await client.closed).toMatch(/200 OK.*kept$/s)
  const chunked = post('/keep', 0, 'Connection: close').replace(
    /Content-Length: 0/,
    'Transfer-Encoding: chunked',
  )
  const small = json(2000)
  const bytes = [...small].map((byte) => `1\r\n${byte}\r\n`).join('')
  const single = await open(server.url, chunked)
  single.socket.write(bytes.slice(0, 5001))
  single.socket.write(`${bytes.slice(5001)}0\r\n\r\n`)
  expect(await single.closed).toMatch(/200 OK.*kept$/s)
  expect(received.map((body) => body.length)).toEqual([262_144, 2000])
})

test('does not count upload time toward the function timeout', async () => {
  const client = await open(server.url, `${post('/keep', 2, 'Connection: close')}{`)
  await wait(TIMEOUT_SECONDS * 1000 + 200)
  client.socket.write('}')
  expect(await client.closed).toMatch(/200 OK.*kept$/s)
})

test('responds with 408 if a body makes no progress for 10 s', { timeout: 20_000 }, async () => {
  const client = await open(server.url, `${post('/keep', 2)}{`)
  expect(await client.closed).toMatch(/^HTTP\/1\.1 408 .*Connection: close.*"code":"request_timeout"/s)
})

test('responds with 400 if the body is malformed, whether that is clear at once or only later', async () => {
  const chunked = post('/keep', 0).replace(/Content-Length: 0/, 'Transfer-Encoding: chunked')
  for (const [first, second] of [
    ['1\r\n{\r\nzz\r\n', ''],
    ['1\r\n{\r\n', 'zz\r\n'],
  ]) {
    const client = await open(server.url, chunked + first)
    client.socket.write(second ?? '')
    expect(await client.closed).toMatch(/^HTTP\/1\.1 400 .*"code":"bad_request".*\}$/s)
  }
})

test('closes the connection after the response if what follows is unreadable', async () => {
  const client = await open(server.url, `${post('/wait', 0)}garbage\r\n\r\n`)
  gate.resolve()
  expect(await client.closed).toMatch(/^HTTP\/1\.1 200 .*Connection: close.*waited$/s)
})

test('responds with 503 while one client has 8 MiB of bodies in progress, and recovers', async () => {
  const body = json(262_144)
  const sendAll = async (from?: string): Promise<void> => {
    const client = await open(server.url, post('/keep', body.length, 'Connection: close') + body, from)
    expect(await client.closed).toMatch(/200 OK.*kept$/s)
  }
  const refused = async (): Promise<void> => {
    const client = await open(server.url, post('/keep', body.length) + body.slice(0, -1))
    await answer(client, /^HTTP\/1\.1 503 .*retry-after: 1\r\n.*"code":"unavailable".*\}$/s)
    client.socket.resetAndDestroy()
  }
  for (let round = 0; round < 2; round += 1) {
    gate = Promise.withResolvers()
    const held = await open(server.url, post('/hold', body.length) + body)
    const part = body.slice(0, -1)
    const full = await Promise.all(
      Array.from({ length: 31 }, () => open(server.url, post('/keep', body.length) + part)),
    )
    await eventually(refused)
    if (process.platform === 'linux') await sendAll('127.0.0.2')
    gate.resolve()
    await answer(held, /200 OK.*held$/s)
    await eventually(sendAll)
    for (const { socket } of [...full, held]) socket.resetAndDestroy()
    await eventually(sendAll)
  }
})

test('what arrives of bodies before they are wanted counts toward these 8 MiB', async () => {
  const part = json(250_000).slice(0, 64_000)
  const clients = await Promise.all(
    Array.from({ length: 600 }, () => open(server.url, post('/admit', 250_000) + part)),
  )
  await eventually(() => {
    const refused = clients.filter((client) => /^HTTP\/1\.1 503 .*"code":"unavailable"/s.test(client.text()))
    expect(refused.length).toBeGreaterThan(0)
  })
  for (const { socket } of clients) socket.resetAndDestroy()
  gate.resolve()
  await eventually(async () => {
    const client = await open(server.url, `${post('/admit', 2, 'Connection: close')}{}`)
    expect(await client.closed).toMatch(/200 OK.*admitted$/s)
  })
})
