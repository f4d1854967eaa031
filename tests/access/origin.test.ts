import { expect, test } from 'vitest'

process.env.CORS_ORIGINS = 'https://board.example.org'
const { call } = await import('../setup/http-event.ts')
const { handler: pauseTasks } = await import('../../functions/tasks/pause-all.ts')
const { handler: listTasks } = await import('../../functions/tasks/list.ts')
const { handler: notFound } = await import('../../functions/system/not-found.ts')

const pause = (headers: Record<string, string>) =>
  call(pauseTasks, { method: 'POST', path: '/tasks/pause', query: 'all=true', headers })

test.for([
  ['no browser', {}],
  ['the same origin', { host: 'localhost:8000', origin: 'http://localhost:8000' }],
  ['the same origin behind TLS', { host: 'Tasks.example.org', origin: 'https://tasks.example.org' }],
  ['a page of the same origin', { 'sec-fetch-site': 'same-origin' }],
  ['the address bar', { 'sec-fetch-site': 'none' }],
  ['CORS_ORIGINS', { origin: 'https://board.example.org', 'sec-fetch-site': 'cross-site' }],
] as const)('a change may come from %s', async ([, headers]) => {
  expect((await pause(headers)).statusCode).toBe(200)
})

test.for([
  ['another site', { origin: 'https://evil.example' }],
  ['another port of this machine', { host: 'localhost:8000', origin: 'http://localhost:3000' }],
  ['another port, by metadata only', { 'sec-fetch-site': 'same-site' }],
  ['a sandboxed page', { origin: 'null' }],
  ['another site without an origin', { 'sec-fetch-site': 'cross-site' }],
  [
    'the own origin, if the browser says otherwise',
    { host: 'localhost:8000', origin: 'http://localhost:8000', 'sec-fetch-site': 'cross-site' },
  ],
  ['a prefix of CORS_ORIGINS', { origin: 'https://board.example.org.evil.example' }],
  ['an origin that is not a URL', { origin: 'board.example.org' }],
] as const)('a change may not come from %s, even with the key', async ([, headers]) => {
  expect(await pause(headers)).toMatchObject({ statusCode: 403, body: { code: 'forbidden' } })
})

const CORS = { host: 'localhost:8000', origin: 'https://board.example.org' }

test('only pages from CORS_ORIGINS may read responses', async () => {
  const list = (headers: Record<string, string>) =>
    call(listTasks, { method: 'GET', path: '/tasks', headers })
  expect((await list(CORS)).headers).toMatchObject({
    'access-control-allow-origin': CORS.origin,
    vary: 'origin',
  })
  expect((await list({ ...CORS, origin: 'https://evil.example' })).headers).not.toHaveProperty(
    'access-control-allow-origin',
  )
})

test('answers preflight requests from CORS_ORIGINS only', async () => {
  const ask = (origin: string) =>
    call(notFound, {
      method: 'OPTIONS',
      path: '/tasks',
      headers: { ...CORS, origin, 'access-control-request-method': 'POST' },
    })
  expect(await ask(CORS.origin)).toMatchObject({
    statusCode: 204,
    headers: {
      'access-control-allow-origin': CORS.origin,
      'access-control-allow-headers': expect.stringContaining('x-api-key'),
    },
  })
  expect((await ask('https://evil.example')).statusCode).toBe(405)
})
