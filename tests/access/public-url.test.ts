import { beforeAll, expect, test } from 'vitest'

process.env.PUBLIC_URL = 'https://example.org/scheduler/'
const { insertTask } = await import('../setup/rows.ts')
const { call } = await import('../setup/http-event.ts')
const { handler: createTask } = await import('../../functions/tasks/create.ts')
const { handler: listTasks } = await import('../../functions/tasks/list.ts')
const { handler: logIn } = await import('../../functions/session/create.ts')
const { handler: dashboard } = await import('../../functions/system/dashboard.ts')

beforeAll(async () => {
  for (const name of ['a', 'b']) await insertTask({ name })
})

test('links start with PUBLIC_URL', async () => {
  const list = await call(listTasks, { method: 'GET', path: '/tasks', query: 'limit=1' })
  expect(list.headers.link).toMatch(/^<https:\/\/example\.org\/scheduler\/tasks\?limit=1&cursor=/)
  const body = { name: 'c', type: 'counter', schedule_type: 'interval', interval_seconds: 60 }
  const { headers } = await call(createTask, { method: 'POST', path: '/tasks', body })
  expect(headers.location).toMatch(/^https:\/\/example\.org\/scheduler\/tasks\/\d+$/)
  expect((await call(dashboard, { method: 'GET', path: '/' })).headers.location).toBe(
    'https://example.org/scheduler/docs',
  )
})

test('only pages from PUBLIC_URL may make changes', async () => {
  const create = (name: string, origin: string) => {
    const body = { name, type: 'counter', schedule_type: 'interval', interval_seconds: 60 }
    const headers = { origin, host: 'internal:8000' }
    return call(createTask, { method: 'POST', path: '/tasks', body, headers })
  }
  expect((await create('d', 'https://example.org')).statusCode).toBe(201)
  expect((await create('e', 'http://internal:8000')).statusCode).toBe(403)
})

test('a session belongs to the path of PUBLIC_URL, and to pages from there', async () => {
  const login = (headers: Record<string, string>) =>
    call(logIn, { method: 'POST', path: '/session', body: { key: 'test-key' }, headers })
  const { statusCode, cookies } = await login({ origin: 'https://example.org', host: 'internal:8000' })
  expect(statusCode).toBe(201)
  expect(cookies).toEqual([
    expect.stringMatching(
      /^__Secure-tsk_session=[\w-]{43}; Path=\/scheduler; HttpOnly; SameSite=Strict; Secure$/,
    ),
  ])
  expect((await login({ origin: 'http://internal:8000', host: 'internal:8000' })).statusCode).toBe(403)
  const list = (cookie: string) =>
    call(listTasks, { method: 'GET', path: '/tasks', headers: { 'x-api-key': undefined }, cookies: [cookie] })
  const cookie = cookies?.[0]?.split(';')[0] ?? ''
  expect((await list(cookie)).statusCode).toBe(200)
  for (const name of ['tsk_session', '__Host-tsk_session'])
    expect((await list(cookie.replace('__Secure-tsk_session', name))).statusCode).toBe(401)
})
