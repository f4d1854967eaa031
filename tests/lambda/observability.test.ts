import { afterAll, beforeAll, expect, test } from 'vitest'
import { send } from '../conformance/client.ts'
import { INSTANT } from '../setup/expected.ts'
import { createTestDatabase } from '../setup/test-database.ts'
import { deploy } from './start.ts'

// Each row of the table in docs/observability.md, "What Lambda answers differently".

const API_KEY = 'a key that only tests use'
const headers = { 'content-type': 'application/json', 'x-api-key': API_KEY }

let database: Awaited<ReturnType<typeof createTestDatabase>>
let deployed: Awaited<ReturnType<typeof deploy>>

beforeAll(async () => {
  database = await createTestDatabase()
  deployed = await deploy({ API_KEY, DATABASE_URL: database.url })
})

afterAll(async () => {
  await deployed?.end()
  await database?.drop()
})

const workers = async () =>
  (await send(deployed.url, { path: '/workers', headers })).body as { id: string; running: number }[]

test('lists the environments of the tick and execute functions as workers', async () => {
  const task = { name: 'one', type: 'sleep', schedule_type: 'once', params: { duration: 3 } }
  const body = JSON.stringify({ ...task, next_run_at: new Date().toISOString() })
  expect((await send(deployed.url, { method: 'POST', path: '/tasks', headers, body })).status).toBe(201)
  await deployed.lambda.invoke('task-scheduler-dev-tick', { loopSeconds: 2 })
  const [ticking, executing] = (await workers()).toSorted((a, b) => a.running - b.running)
  const both = { version: '0.1.0', runtime: 'lambda', host: 'test', slots: 10, last_seen_at: INSTANT }
  expect(ticking).toMatchObject({ ...both, running: 0, executions: [] })
  expect(executing).toMatchObject({
    ...both,
    last_tick_at: null,
    running: 1,
    executions: [{ id: 1, task_id: 1, task_name: 'one', started_at: INSTANT }],
  })
  expect(executing?.id).not.toBe(ticking?.id)
  await deployed.lambda.idle()
  expect(await workers()).toMatchObject([{ running: 0 }, { running: 0 }])
})
