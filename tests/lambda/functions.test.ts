import { readdir } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { send } from '../conformance/client.ts'
import { createTestDatabase } from '../setup/test-database.ts'
import { deploy, ROOT } from './start.ts'
import { readTemplate } from './template.ts'

const API_KEY = 'a key that only tests use'

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

const invoke = (name: string, event: object = {}) =>
  deployed.lambda.invoke(`task-scheduler-dev-${name}`, event)

test('the migrate function creates the tables in an empty database and does nothing the second time', async () => {
  await database.sql`drop schema public cascade`
  await database.sql`create schema public`
  const files = await readdir('infra/migrations')
  expect(await invoke('migrate')).toEqual({ applied: files.filter((name) => name.endsWith('.sql')).sort() })
  expect(await invoke('migrate')).toEqual({ applied: [] })
  expect((await send(deployed.url, { path: '/readyz' })).status).toBe(200)
})

test('the docs function serves the page and its assets', async () => {
  const assets = ['swagger-ui.css', 'swagger-ui-bundle.js', 'start.js'].map((asset) => `/docs/${asset}`)
  for (const path of ['/docs', ...assets, '/openapi.json'])
    expect({ path, status: (await send(deployed.url, { path })).status }).toEqual({ path, status: 200 })
})

test('the dashboard function serves the page and its assets', async () => {
  const page = await send(deployed.url, { path: '/', headers: { accept: 'text/html' } })
  expect(page.status).toBe(200)
  const assets = [...String(page.body).matchAll(/"(dashboard\/[^"]+)"/g)].map(([, url]) => `/${url}`)
  expect(assets).toHaveLength(3)
  for (const path of assets)
    expect({ path, status: (await send(deployed.url, { path })).status }).toEqual({ path, status: 200 })
})

test('the execute function logs the JSON line that the lateness metric filter matches', async () => {
  const { Resources } = await readTemplate(ROOT)
  const filter = Resources.Lateness?.Properties
  expect(filter).toMatchObject({
    LogGroupName: { Ref: 'ExecuteLogGroup' },
    FilterPattern: '{ ($.message = "execution started") && ($.late_ms >= 0) }',
  })
  const task = { name: 'one', type: 'sleep', schedule_type: 'once', params: { duration: 0 } }
  const headers = { 'content-type': 'application/json', 'x-api-key': API_KEY }
  const body = JSON.stringify({ ...task, next_run_at: new Date().toISOString() })
  expect((await send(deployed.url, { method: 'POST', path: '/tasks', headers, body })).status).toBe(201)
  expect(await invoke('tick', { loopSeconds: 2 })).toMatchObject({ ticks: 2, worked: 2, claimed: 1 })
  await deployed.lambda.idle()
  const lines = deployed.lambda
    .log()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(lines.filter(({ message }) => message === 'execution started')).toMatchObject([
    { function_name: 'task-scheduler-dev-execute', late_ms: expect.any(Number) },
  ])
  expect(deployed.lambda.failures).toEqual([])
})

test('a second concurrent tick invocation is throttled', async () => {
  const first = invoke('tick', { loopSeconds: 1.5 })
  await expect(invoke('tick', {})).rejects.toThrow('throttled')
  await first
})

test('a failed execute invocation is reported', async () => {
  deployed.lambda.invokeLater('task-scheduler-dev-execute', { claimId: 'none' })
  await deployed.lambda.idle()
  expect(deployed.lambda.failures).toEqual([expect.stringContaining('ZodError')])
})
