import { afterAll, beforeAll, expect, test } from 'vitest'
import { send } from '../conformance/client.ts'
import { type Runtime, startProcess } from '../conformance/runtime.ts'
import { eventually } from '../setup/eventually.ts'
import { createTestDatabase } from '../setup/test-database.ts'
import { head, open } from './sockets.ts'

let database: Awaited<ReturnType<typeof createTestDatabase>>
let runtime: Runtime

beforeAll(async () => {
  database = await createTestDatabase()
  const env = {
    DATABASE_URL: database.url,
    PORT: '0',
    SCHEDULER_ENABLE: 'false',
    LOG_JSON: 'true',
    MAX_CONNECTIONS_PER_ADDRESS: '30',
  }
  runtime = await startProcess(['infra/container/main.ts'], env)
}, 45_000)

afterAll(async () => {
  await runtime?.kill()
  await database?.drop()
})

type Line = Record<string, unknown>

const linesOf = (text: string): Line[] =>
  runtime
    .log()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line): Line => JSON.parse(line))
    .filter(({ message }) => message === text)

const requestLines = (): Line[] => linesOf('request')

test('each of many concurrent requests logs one line, with the request id from its own response', async () => {
  const paths = Array.from({ length: 20 }, (_, index) => `/tasks/${index + 1}`)
  const answers = await Promise.all(paths.map((path) => send(runtime.url, { path })))
  const expected = answers.map(({ headers }, index) =>
    expect.objectContaining({
      request_id: headers['x-request-id'],
      path: paths[index],
      function_name: 'getTask',
      status: 404,
    }),
  )
  await eventually(() => expect(requestLines()).toHaveLength(paths.length))
  expect(requestLines()).toEqual(expect.arrayContaining(expected))
})

test.for([
  ['garbage', 'garbage\r\n\r\n', { status: 400 }],
  ['huge headers', head('GET / HTTP/1.1', 'Host: a', `X: ${'x'.repeat(20_000)}`), { status: 431 }],
  [
    'two hosts',
    head('GET /tasks?a HTTP/1.1', 'Host: a', 'Host: b', 'Connection: close'),
    { status: 400, method: 'GET', path: '/tasks' },
  ],
  [
    'an unknown Expect value',
    head('POST /tasks HTTP/1.1', 'Host: a', 'Expect: cake', 'Connection: close'),
    { status: 417, method: 'POST', path: '/tasks' },
  ],
] as const)('logs a request that reaches no handler: %s', async ([, text, expected]) => {
  const response = await (await open(runtime.url, text)).closed
  const { request_id } = JSON.parse(response.slice(response.indexOf('{')))
  await eventually(() => {
    expect(requestLines().filter((line) => line.request_id === request_id)).toEqual([
      expect.objectContaining({ ...expected, level: 'INFO', duration_ms: expect.any(Number) }),
    ])
  })
})

test.skipIf(process.platform !== 'linux')('logs one line for many connections that were cut', async () => {
  const clients = await Promise.all(Array.from({ length: 100 }, () => open(runtime.url, '', '127.0.0.2')))
  await Promise.all(clients.slice(30).map(({ closed }) => closed))
  const counts = { refused: 70, most_from: '127.0.0.2', most: 70 }
  await eventually(() => {
    expect(linesOf('connections cut')).toEqual([expect.objectContaining({ level: 'WARN', ...counts })])
  })
  for (const { socket } of clients) socket.destroy()
})
