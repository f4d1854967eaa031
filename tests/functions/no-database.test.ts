import { once } from 'node:events'
import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { problem, unauthorized } from '../setup/expected.ts'
import { call } from '../setup/http-event.ts'

process.env.DATABASE_POOL_SIZE = '1'
process.env.DATABASE_URL = `postgres://127.0.0.1:${await closedPort()}/nothing`
const { guarded, open } = await import('../setup/routes.ts')
const { handler: logIn } = await import('../../functions/session/create.ts')
const { handler: listTasks } = await import('../../functions/tasks/list.ts')
const { generateKey } = await import('../../shared/access/api-key.ts')

async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address ? address.port : 0
}

// Metrics leave out what the database doesn't say.
test.for(guarded.filter(({ request }) => request.path !== '/metrics'))(
  '$request.method $request.path reports that the database is unreachable',
  async ({ handler, request }) => {
    expect(await call(handler, request)).toEqual(
      problem('unavailable', 'the database cannot be reached', { headers: { 'retry-after': '5' } }),
    )
  },
)

test.for(open)(
  '$request.method $request.path works without a database',
  async ({ handler, request, status }) => {
    expect((await call(handler, request)).statusCode).toBe(status)
  },
)

test('keys from the environment can be checked without a database, but keys from the table cannot', async () => {
  const request = { method: 'GET', path: '/tasks' }
  const list = (key: string) => call(listTasks, { ...request, headers: { 'x-api-key': key } })
  expect(await list('wrong')).toEqual(unauthorized('invalid API key'))
  expect(await list(generateKey(1))).toEqual(
    problem('unavailable', 'the database cannot be reached, so API keys cannot be checked', {
      headers: { 'retry-after': '5' },
    }),
  )
})

test('a login and a session get 503 without a database, but a key from the environment still works', async () => {
  const headers = { 'x-api-key': undefined }
  const login = { method: 'POST', path: '/session', body: { key: 'test-key' }, headers }
  expect(await call(logIn, login)).toEqual(
    problem('unavailable', 'the database cannot be reached', { headers: { 'retry-after': '5' } }),
  )
  const cookies = [`__Host-tsk_session=${'x'.repeat(43)}`]
  expect(await call(listTasks, { method: 'GET', path: '/tasks', headers, cookies })).toEqual(
    problem('unavailable', 'the database cannot be reached, so sessions cannot be checked', {
      headers: { 'retry-after': '5' },
    }),
  )
})
