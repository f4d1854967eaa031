import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { send } from '../conformance/client.ts'
import { type Runtime, startProcess } from '../conformance/runtime.ts'
import { eventually } from '../setup/eventually.ts'
import { createTestDatabase } from '../setup/test-database.ts'

let database: Awaited<ReturnType<typeof createTestDatabase>>
let replicas: Runtime[]

const ENV = { PORT: '0', SCHEDULER_ENABLE: 'false', LOG_JSON: 'true' }
const start = (env: Record<string, string>) =>
  startProcess(['infra/container/main.ts'], { DATABASE_URL: database.url, ...ENV, ...env })

beforeAll(async () => {
  database = await createTestDatabase()
  const env = { API_KEY: 'admin-0123456789', TRUST_PROXY: '1' }
  replicas = [await start(env), await start(env)]
}, 45_000)

afterAll(async () => {
  await Promise.all(replicas.map((it) => it.kill()))
  await database?.drop()
})

const ask = async (replica: number, path: string, key: string, more: object = {}) =>
  await send(replicas[replica]?.url ?? '', { path, headers: { 'x-api-key': key, ...more } })

test('a new key works immediately on every replica, and a deleted key stops working on all of them', async () => {
  const first = replicas[0]?.url ?? ''
  const headers = { 'x-api-key': 'admin-0123456789', 'content-type': 'application/json' }
  const created = await fetch(`${first}/keys`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ name: 'a', scope: 'read' }),
  })
  const { id, key } = (await created.json()) as { id: number; key: string }
  expect((await ask(1, '/tasks', key)).status).toBe(200)
  await fetch(`${first}/keys/${id}`, { method: 'DELETE', headers })
  expect((await ask(0, '/tasks', key)).status).toBe(401)
  await eventually(async () => expect((await ask(1, '/tasks', key)).status).toBe(401), 10)
})

test('the log names the caller and the client behind a proxy, but never shows the key', async () => {
  await ask(0, '/tasks/99', 'admin-0123456789', { 'x-forwarded-for': '198.51.100.7, 203.0.113.9' })
  await ask(0, '/tasks/98', 'wrong-0123456789')
  await eventually(() => {
    const log = replicas[0]?.log() ?? ''
    expect(log).toMatch(/"path":"\/tasks\/99".*"client":"203\.0\.113\.9","caller":"API_KEY"/)
    expect(log).toMatch(/"path":"\/tasks\/98".*"status":401/)
    expect(log).not.toMatch(/0123456789/)
  })
})

test('refuses to start with a weak key if other machines could reach it', async () => {
  const env = { PATH: process.env.PATH, DATABASE_URL: database.url, API_KEY: 'changeme', HOST: '0.0.0.0' }
  const run = promisify(execFile)(process.execPath, ['infra/container/main.ts'], { env })
  await expect(run).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('weak key: API_KEY') })
})

test('with a weak key such as changeme, listens only on this machine and warns', async () => {
  const runtime = await start({ API_KEY: 'changeme' })
  expect(new URL(runtime.url).hostname).toBe('127.0.0.1')
  expect(runtime.log()).toContain('weak key: only this machine can reach the API')
  await runtime.kill()
})
