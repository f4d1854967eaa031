import { beforeAll, expect, test } from 'vitest'

process.env.PUBLIC_URL = 'https://example.org/scheduler/'
const { insertTask } = await import('../setup/rows.ts')
const { call } = await import('../setup/http-event.ts')
const { handler: createTask } = await import('../../functions/tasks/create.ts')
const { handler: listTasks } = await import('../../functions/tasks/list.ts')
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
