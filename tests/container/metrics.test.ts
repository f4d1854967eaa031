import { afterAll, beforeAll, expect, test } from 'vitest'
import { send } from '../conformance/client.ts'
import { type Runtime, startProcess } from '../conformance/runtime.ts'
import { eventually } from '../setup/eventually.ts'
import { createTestDatabase } from '../setup/test-database.ts'

let database: Awaited<ReturnType<typeof createTestDatabase>>
let runtime: Runtime
let metricsUrl: string

const WRITE = 'a-key-that-may-write'
const READ = 'a-key-that-may-read-only'

beforeAll(async () => {
  database = await createTestDatabase()
  runtime = await startProcess(['infra/container/main.ts'], {
    DATABASE_URL: database.url,
    API_KEYS: `w:write:${WRITE},r:read:${READ}`,
    PORT: '0',
    METRICS_PORT: '0',
    TICK_INTERVAL_MS: '100',
  })
  metricsUrl = await eventually(async () => {
    const url = /"url":"(http:[^"]+)\/metrics"/.exec(runtime.log())?.[1]
    if (url === undefined) throw new Error('the port is not open yet')
    return url
  })
}, 45_000)

afterAll(async () => {
  await runtime?.kill()
  await database?.drop()
})

const scrape = () => send(metricsUrl, { path: '/metrics' })

test('the port of the API requires a key, which may be a bearer token', async () => {
  expect(await send(runtime.url, { path: '/metrics' })).toMatchObject({ status: 401 })
  const headers = { authorization: `Bearer ${READ}` }
  expect(await send(runtime.url, { path: '/metrics', headers })).toMatchObject({
    status: 200,
    headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8', 'cache-control': 'no-store' },
    body: expect.stringContaining('task_scheduler_build_info'),
  })
})

test('METRICS_PORT requires none, listens on this machine only, and serves nothing else', async () => {
  expect(metricsUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
  expect(await scrape()).toMatchObject({
    status: 200,
    headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
    body: expect.stringContaining('task_scheduler_build_info'),
  })
  expect(await send(metricsUrl, { path: '/metrics?x=1' })).toMatchObject({ status: 200 })
  expect(await send(metricsUrl, { path: '/tasks' })).toMatchObject({ status: 404 })
  expect(await send(metricsUrl, { method: 'POST', path: '/metrics' })).toMatchObject({
    status: 405,
    headers: { allow: 'GET' },
  })
})

test('a run appears in the metrics of the process that ran it', async () => {
  const headers = { 'content-type': 'application/json', 'x-api-key': WRITE }
  const task = { name: 'secret name', type: 'sleep', schedule_type: 'once', params: { duration: 0 } }
  const body = JSON.stringify({ ...task, next_run_at: new Date().toISOString() })
  expect((await send(runtime.url, { method: 'POST', path: '/tasks', headers, body })).status).toBe(201)
  await eventually(async () =>
    expect((await scrape()).body).toContain(
      '\ntask_scheduler_executions_total{type="sleep",outcome="success"} 1\n',
    ),
  )
  const text = String((await scrape()).body)
  expect(text).toMatch(/\ntask_scheduler_execution_lateness_seconds_count\{type="sleep"\} 1\n/)
  expect(text).toMatch(/\ntask_scheduler_tick_duration_seconds_count [1-9]/)
  expect(text).not.toContain('secret name')
})
