import { afterAll, beforeAll, expect, test } from 'vitest'
import { Browser } from '../access/browser.ts'
import { type Runtime, startProcess } from '../conformance/runtime.ts'
import { eventually } from '../setup/eventually.ts'
import { createTestDatabase } from '../setup/test-database.ts'

let database: Awaited<ReturnType<typeof createTestDatabase>>
let replicas: Runtime[]

const start = (env: Record<string, string>) =>
  startProcess(['infra/container/main.ts'], {
    DATABASE_URL: database.url,
    PORT: '0',
    SCHEDULER_ENABLE: 'false',
    LOG_JSON: 'true',
    ...env,
  })

const KEY = 'admin-0123456789'

beforeAll(async () => {
  database = await createTestDatabase()
  replicas = [await start({ API_KEY: KEY }), await start({ API_KEY: KEY })]
}, 45_000)

afterAll(async () => {
  await Promise.all(replicas.map((it) => it.kill()))
  await database?.drop()
})

const urlOf = (replica: number): string => replicas[replica]?.url ?? ''
const statusAt = async (browser: Browser, replica: number) =>
  (await browser.send(`${urlOf(replica)}/tasks`)).status

async function loggedIn(): Promise<Browser> {
  const browser = new Browser()
  await browser.send(`${urlOf(0)}/session`, { method: 'POST', body: { key: KEY } })
  return browser
}

test('a session works at once on every replica, and after a logout on none of them', async () => {
  const browser = await loggedIn()
  const stolen = new Browser()
  for (const [name, cookie] of browser.cookies) stolen.cookies.set(name, cookie)
  expect([await statusAt(browser, 1), await statusAt(browser, 0)]).toEqual([200, 200])
  expect((await browser.send(`${urlOf(0)}/session`, { method: 'DELETE' })).status).toBe(200)
  expect(await statusAt(stolen, 0)).toBe(401)
  await eventually(async () => expect(await statusAt(stolen, 1)).toBe(401), 10)
})

test('a session survives a restart, unless its key is gone from the environment', async () => {
  const browser = await loggedIn()
  const statusWith = async (key: string) => {
    const runtime = await start({ API_KEY: key })
    const { status } = await browser.send(`${runtime.url}/tasks`)
    await runtime.kill()
    return status
  }
  expect(await statusWith(KEY)).toBe(200)
  expect(await statusWith('another-0123456789')).toBe(401)
})

test('the log names the key, but shows neither the key nor the token', async () => {
  const browser = await loggedIn()
  await browser.send(`${urlOf(0)}/tasks/424243`)
  await eventually(() => {
    const log = replicas[0]?.log() ?? ''
    expect(log).toMatch(/"method":"POST","path":"\/session".*"caller":"API_KEY"/)
    expect(log).toMatch(/"path":"\/tasks\/424243".*"caller":"API_KEY"/)
    expect(log).not.toContain(browser.cookies.get('tsk_session')?.value ?? 'missing')
    expect(log).not.toContain('0123456789')
  })
})
