import { afterAll, beforeAll, expect, test } from 'vitest'
import { send } from '../conformance/client.ts'
import { type Runtime, startProcess } from '../conformance/runtime.ts'
import { eventually } from '../setup/eventually.ts'
import { createTestDatabase } from '../setup/test-database.ts'

let database: Awaited<ReturnType<typeof createTestDatabase>>
let runtime: Runtime

beforeAll(async () => {
  database = await createTestDatabase()
  const env = { DATABASE_URL: database.url, PORT: '0', SCHEDULER_ENABLE: 'false', LOG_JSON: 'true' }
  runtime = await startProcess(['infra/container/main.ts'], env)
}, 45_000)

afterAll(async () => {
  await runtime?.kill()
  await database?.drop()
})

type Line = Record<string, unknown>

const requestLines = (): Line[] =>
  runtime
    .log()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line): Line => JSON.parse(line))
    .filter(({ message }) => message === 'request')

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
