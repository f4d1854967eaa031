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

test('/metrics is a 404 that says where the metrics are', async () => {
  expect(await send(deployed.url, { path: '/metrics', headers })).toMatchObject({
    status: 404,
    body: {
      detail:
        '/metrics does not exist here: the metrics of all functions are in CloudWatch, in the namespace task-scheduler-dev',
    },
  })
  expect(await send(deployed.url, { path: '/metrics' })).toMatchObject({ status: 401 })
})

type Line = Record<string, unknown> & {
  _aws?: { CloudWatchMetrics: { Namespace: string; Dimensions: string[][]; Metrics: { Name: string }[] }[] }
}

/** Returns the metrics in the log so far: labels and values, without what describes them. */
const published = (): { labels: string[]; values: Line }[] =>
  deployed.lambda
    .log()
    .trim()
    .split('\n')
    .map((line): Line => JSON.parse(line))
    .flatMap(({ _aws, ...values }) => {
      if (!_aws) return []
      expect(_aws.CloudWatchMetrics).toMatchObject([{ Namespace: 'task-scheduler-dev' }])
      return [{ labels: _aws.CloudWatchMetrics.flatMap(({ Dimensions }) => Dimensions.flat()), values }]
    })

test('the same names are in the log as embedded metrics, each counted once', async () => {
  const task = { name: 'two', type: 'sleep', schedule_type: 'once', params: { duration: 0 } }
  const body = JSON.stringify({ ...task, next_run_at: new Date().toISOString() })
  expect((await send(deployed.url, { method: 'POST', path: '/tasks', headers, body })).status).toBe(201)
  const before = published().length
  for (let round = 0; round < 2; round += 1)
    await deployed.lambda.invoke('task-scheduler-dev-tick', { loopSeconds: 1.5 })
  await deployed.lambda.idle()
  const lines = published().slice(before)
  const named = (name: string) => lines.filter(({ values }) => `task_scheduler_${name}` in values)
  expect(named('executions_total')).toMatchObject([
    {
      labels: ['type', 'outcome'],
      values: { type: 'sleep', outcome: 'success', task_scheduler_executions_total: 1 },
    },
  ])
  expect(named('execution_lateness_seconds')).toMatchObject([{ labels: ['type'], values: { type: 'sleep' } }])
  expect(named('executions_claimed_total')).toMatchObject([
    { values: { task_scheduler_executions_claimed_total: 1 } },
  ])
  expect(named('tick_duration_seconds')).toHaveLength(2)
  expect(named('due_executions').map(({ values }) => values.kind)).toEqual([
    'scheduled',
    'queued',
    'scheduled',
    'queued',
  ])
  expect(named('slots_used')).toEqual([])
})
