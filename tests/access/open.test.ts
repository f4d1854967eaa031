import { hostname } from 'node:os'
import { expect, test } from 'vitest'

delete process.env.API_KEY
process.env.ALLOWED_HOSTS = 'scheduler.internal'
const { call } = await import('../setup/http-event.ts')
const { handler: createKey } = await import('../../functions/keys/create.ts')
const { handler: deleteKey } = await import('../../functions/keys/delete.ts')
const { handler: logIn } = await import('../../functions/session/create.ts')
const { handler: getSession } = await import('../../functions/session/get.ts')
const { handler: listTasks } = await import('../../functions/tasks/list.ts')
const { db } = await import('../../shared/db.ts')
const { problem, unauthorized } = await import('../setup/expected.ts')

const list = (headers: Record<string, string>) => call(listTasks, { method: 'GET', path: '/tasks', headers })

test.for([
  'localhost',
  'localhost:8000',
  '127.0.0.1:8000',
  '[::1]:8000',
  'a.localhost',
  hostname(),
  'scheduler.internal:1',
])('without a key, the API can be called as %s', async (host) => {
  expect((await list({ host })).statusCode).toBe(200)
})

test.for([
  'rebound.example:8000',
  'evil@127.0.0.1',
  '127.0.0.1/evil',
  'local%68ost',
  '127.0.0.1.example',
  'localhost.example',
  '0x7f.1.example',
  'a b',
  '',
])('without a key, the API cannot be called as %j', async (host) => {
  expect((await list({ host })).statusCode).toBe(403)
})

test('without a key, no login is needed, and none is possible', async () => {
  const own = { 'sec-fetch-site': 'same-origin', 'x-api-key': undefined }
  const stale = [`__Host-tsk_session=${'x'.repeat(43)}`]
  const show = (host: string, cookies: string[] = []) =>
    call(getSession, { method: 'GET', path: '/session', headers: { host }, cookies })
  const anyone = { login: 'none', name: 'anyone', scope: 'admin', expires_at: null }
  expect((await show('localhost')).body).toEqual(anyone)
  expect((await show('localhost', stale)).body).toEqual(anyone)
  expect((await show('rebound.example')).statusCode).toBe(403)
  const answer = await call(logIn, {
    method: 'POST',
    path: '/session',
    headers: own,
    body: { key: 'any-key' },
  })
  expect(answer).toEqual(problem('conflict', 'this API has no keys, so no login is needed'))
})

const create = (scope: string) =>
  call(createKey, {
    method: 'POST',
    path: '/keys',
    body: { name: 'first', scope },
    headers: { host: 'localhost' },
  })

test('the first key must be an admin’s; from then on a key is required, even if the table is emptied', async () => {
  expect(await create('read')).toEqual(
    problem('conflict', 'the first key must have the scope admin, and must not expire'),
  )
  const answers = await Promise.all(Array.from({ length: 10 }, () => create('admin')))
  const [{ body } = { body: {} }, ...others] = answers.filter(({ statusCode }) => statusCode === 201)
  expect(others).toEqual([])
  expect(await list({ host: 'localhost' })).toEqual(
    unauthorized('missing API key: send it as x-api-key, or as Authorization: Bearer'),
  )
  const headers = { 'x-api-key': body.key }
  expect((await list(headers)).statusCode).toBe(200)
  const remove = () =>
    call(deleteKey, {
      method: 'DELETE',
      path: '/keys/{id}',
      pathParameters: { id: String(body.id) },
      headers,
    })
  expect(await remove()).toEqual(
    problem('conflict', 'no other key with the scope admin is valid for as long as this one'),
  )
  await db()`delete from api_keys`
  expect((await list({ host: 'localhost' })).statusCode).toBe(401)
})
