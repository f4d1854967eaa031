import { afterAll, beforeAll, expect, test } from 'vitest'
import { send } from '../conformance/client.ts'
import { type Runtime, startProcess } from '../conformance/runtime.ts'
import { eventually } from '../setup/eventually.ts'
import { createTestDatabase } from '../setup/test-database.ts'

let database: Awaited<ReturnType<typeof createTestDatabase>>
let runtime: Runtime

beforeAll(async () => {
  database = await createTestDatabase()
  const env = { DATABASE_URL: database.url, PORT: '0', TICK_INTERVAL_MS: '100', SHUTDOWN_GRACE_SECONDS: '10' }
  runtime = await startProcess(['infra/container/main.ts'], env)
}, 45_000)

afterAll(async () => {
  await runtime?.kill()
  await database?.drop()
})

const get = (path: string) => send(runtime.url, { path })

test('after SIGTERM, a process reports that it is not ready, but serves requests until its executions finish', async () => {
  const task = { name: 'slow', type: 'sleep', schedule_type: 'interval', interval_seconds: 3600 }
  const sent = { headers: { 'content-type': 'application/json' }, method: 'POST', path: '/tasks' }
  await send(runtime.url, { ...sent, body: JSON.stringify({ ...task, params: { duration: 2 } }) })
  await eventually(async () => expect((await get('/tasks/1')).body).toMatchObject({ running: true }))
  expect(await get('/readyz')).toMatchObject({ status: 200, body: { status: 'ready' } })

  const stopped = runtime.stop('SIGTERM')
  await eventually(async () =>
    expect(await get('/readyz')).toMatchObject({
      status: 503,
      headers: { connection: 'close' },
      body: { detail: 'this process is shutting down' },
    }),
  )
  expect(await get('/healthz')).toMatchObject({ status: 200 })
  expect(await stopped).toBe(0)
  expect(await database.sql`select status, attempt from all_executions`).toEqual([
    { status: 'success', attempt: 1 },
  ])
})
