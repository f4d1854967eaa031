import { beforeAll, describe, expect, test } from 'vitest'

process.env.API_KEYS = 'ops:write:ops-key-0123456789,other:read:other-key-0123456789'
process.env.CORS_ORIGINS = 'https://board.example.org'
const { handler: createTask } = await import('../../functions/tasks/create.ts')
const { handler: deleteTasks } = await import('../../functions/tasks/delete-all.ts')
const { handler: listKeys } = await import('../../functions/keys/list.ts')
const { handler: create } = await import('../../functions/session/create.ts')
const { handler: remove } = await import('../../functions/session/delete.ts')
const { handler: listTasks } = await import('../../functions/tasks/list.ts')
const { db } = await import('../../shared/db.ts')
const { unauthorized } = await import('../setup/expected.ts')
const { call } = await import('../setup/http-event.ts')
const { COOKIE, cookieOf, list, logIn, OWN_PAGE, showSession } = await import('./session.ts')

const INVALID = unauthorized('invalid API key').body

let cookie: string

beforeAll(async () => {
  cookie = await cookieOf('test-key')
})

const HOST = 'tasks.example.org'
const OWN = `https://${HOST}`

/** Deletes all tasks, with the cookie. */
const change = (headers: Record<string, string | undefined>, cookies = [cookie]) =>
  call(deleteTasks, {
    method: 'DELETE',
    path: '/tasks',
    query: 'all=true',
    headers: { 'x-api-key': undefined, host: HOST, ...headers },
    cookies,
  })

describe('with the cookie, a change may come from', () => {
  test.for([
    ['a page, by its origin', { origin: OWN }],
    ['a page, by metadata', { 'sec-fetch-site': 'same-origin' }],
    ['a page, by both', { origin: OWN, 'sec-fetch-site': 'same-origin' }],
    ['a page at the default port', { origin: OWN, host: `${HOST}:443` }],
  ] as const)('%s', async ([, headers]) => {
    expect((await change(headers)).statusCode).toBe(200)
  })
})

describe('with the cookie, a change may not come from', () => {
  test.for([
    ['a page of another site', { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }],
    ['another site that hides its origin', { 'sec-fetch-site': 'cross-site' }],
    [
      'another host of the same domain',
      { origin: 'https://blog.example.org', 'sec-fetch-site': 'same-site' },
    ],
    ['another host of the domain, without metadata', { origin: 'https://blog.example.org' }],
    ['another port', { origin: `${OWN}:8443` }],
    ['a sandboxed frame', { origin: 'null' }],
    ['a page from CORS_ORIGINS', { origin: 'https://board.example.org' }],
    ['a page from CORS_ORIGINS that claims to be here', { origin: 'https://board.example.org', ...OWN_PAGE }],
    ['the address bar', { 'sec-fetch-site': 'none' }],
    ['a client that does not say where it comes from', {}],
    ['an empty origin', { origin: '' }],
    ['an unknown site', { 'sec-fetch-site': 'same-origin, cross-site' }],
    [
      'a host that was rebound to this machine',
      { origin: 'http://evil.example:8000', host: '127.0.0.1:8000' },
    ],
    ['an origin that starts with the own one', { origin: `${OWN}.evil.example` }],
    ['a list of origins', { origin: `${OWN},https://evil.example` }],
  ] as const)('%s', async ([, headers]) => {
    expect(await change(headers)).toMatchObject({ statusCode: 403, body: { code: 'forbidden' } })
  })
})

test('a header does not lend a foreign page the cookie', async () => {
  const { statusCode } = await change({ origin: 'https://evil.example', 'x-api-key': 'test-key' })
  expect(statusCode).toBe(403)
})

describe('a key in the headers counts instead of the cookie', () => {
  test.for([
    [{ 'x-api-key': 'other-key-0123456789' }, 403],
    [{ authorization: 'Bearer other-key-0123456789' }, 403],
    [{ 'x-api-key': 'wrong' }, 401],
    [{ 'x-api-key': '' }, 401],
    [{ authorization: 'Bearer wrong' }, 401],
    [{ authorization: 'Basic d3Jvbmc6d3Jvbmc=', ...OWN_PAGE }, 200],
  ] as const)('%j gets %d', async ([headers, status]) => {
    expect((await change(headers)).statusCode).toBe(status)
  })

  test('also for the question who is logged in', async () => {
    const headers = { 'x-api-key': 'other-key-0123456789' }
    expect((await showSession({ cookies: [cookie], headers })).body).toMatchObject({
      name: 'other',
      expires_at: null,
    })
    const wrong = { 'x-api-key': 'wrong-key' }
    expect((await showSession({ cookies: [cookie], headers: wrong })).body).toEqual(INVALID)
  })
})

describe('is no session', () => {
  const token = () => cookie.slice(COOKIE.length + 1)
  const flip = (at: number) =>
    token().slice(0, at) + (token()[at] === 'A' ? 'B' : 'A') + token().slice(at + 1)
  test.for<[what: string, cookies: () => string[]]>([
    ['a changed token', () => [`${COOKIE}=${flip(0)}`]],
    ['a token whose last character is changed', () => [`${COOKIE}=${flip(41)}`]],
    ['a shortened token', () => [cookie.slice(0, -1)]],
    ['a token in quotes', () => [`${COOKIE}="${token()}"`]],
    ['an empty token', () => [`${COOKIE}=`]],
    ['the cookie without the prefix that TLS requires', () => [`tsk_session=${token()}`]],
    ['a cookie with another name', () => [`x${cookie}`]],
    ['a token that an attacker has chosen', () => [`${COOKIE}=${'A'.repeat(43)}`]],
    ['the key itself', () => [`${COOKIE}=test-key`]],
    ['the hash in the database', () => [`${COOKIE}=${'0'.repeat(43)}`]],
    ['SQL', () => [`${COOKIE}=' or true --`]],
    ['one of two different tokens', () => [cookie, `${COOKIE}=${'A'.repeat(43)}`]],
  ])('%s', async ([, cookies]) => {
    expect((await list(...cookies())).statusCode).toBe(401)
  })

  test('but the same cookie twice is one', async () => {
    expect((await list(cookie, cookie)).statusCode).toBe(200)
  })

  test('a token in the URL, as a bearer token or as a key', async () => {
    const headers = { 'x-api-key': undefined }
    const inUrl = await call(listTasks, {
      method: 'GET',
      path: '/tasks',
      query: { tsk_session: token() },
      headers,
    })
    expect(inUrl.statusCode).toBe(401)
    for (const more of [{ authorization: `Bearer ${token()}` }, { 'x-api-key': token() }]) {
      const { statusCode } = await call(listTasks, {
        method: 'GET',
        path: '/tasks',
        headers: { ...headers, ...more },
      })
      expect(statusCode).toBe(401)
    }
  })
})

test('a session cannot be planted: a login never takes over the token that the browser has', async () => {
  const planted = `${COOKIE}=${'A'.repeat(43)}`
  const own = await cookieOf('test-key', { cookies: [planted] })
  expect(own).not.toBe(planted)
  expect((await list(planted)).statusCode).toBe(401)
})

test('a login does not raise the scope of a session that someone else may know', async () => {
  const low = await cookieOf('other-key-0123456789')
  const high = await cookieOf('test-key', { cookies: [low] })
  const keys = (given: string) =>
    call(listKeys, { method: 'GET', path: '/keys', headers: { 'x-api-key': undefined }, cookies: [given] })
  expect([(await keys(low)).statusCode, (await keys(high)).statusCode]).toEqual([401, 200])
})

describe('a foreign page cannot log anyone in', () => {
  test.for([
    ['another site', { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }],
    ['another host of the domain', { 'sec-fetch-site': 'same-site', origin: 'https://blog.example.org' }],
    ['CORS_ORIGINS', { 'sec-fetch-site': 'same-site', origin: 'https://board.example.org' }],
    ['a navigation', { 'sec-fetch-site': 'none' }],
  ])('from %s', async ([, headers]) => {
    const { statusCode, cookies } = await logIn('test-key', { headers: headers as Record<string, string> })
    expect({ statusCode, cookies }).toEqual({ statusCode: 403, cookies: undefined })
  })

  test.for(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'])(
    'with a form of the type %s',
    async (type) => {
      const headers = { 'x-api-key': undefined, 'content-type': type }
      const answer = await call(create, {
        method: 'POST',
        path: '/session',
        body: '{"key":"test-key"}',
        headers,
      })
      expect(answer.statusCode).toBe(415)
    },
  )
})

test('a foreign page cannot log anyone out', async () => {
  const logOut = (headers: object) =>
    call(remove, {
      method: 'DELETE',
      path: '/session',
      headers: { 'x-api-key': undefined, ...headers },
      cookies: [cookie],
    })
  expect((await logOut({ origin: 'https://evil.example' })).statusCode).toBe(403)
  expect((await logOut({})).statusCode).toBe(403)
  expect((await list(cookie)).statusCode).toBe(200)
})

test('a session cannot be used with another key’s proof', async () => {
  const other = await cookieOf('other-key-0123456789')
  await db()`
    update sessions set owner = 'env:API_KEY', proof = (select proof from sessions where owner = 'env:API_KEY' limit 1)
    where owner = 'env:other'`
  expect((await list(other)).statusCode).toBe(401)
})

test('responses with a session are neither kept nor readable by pages of other origins', async () => {
  const { headers } = await call(listTasks, {
    method: 'GET',
    path: '/tasks',
    headers: { 'x-api-key': undefined, origin: 'https://board.example.org' },
    cookies: [cookie],
  })
  expect(headers['cache-control']).toBe('no-store')
  expect(headers).not.toHaveProperty('access-control-allow-credentials')
})

test('an access token is no key to log in with', async () => {
  const token = `${btoa('{"alg":"none"}')}.${btoa('{"sub":"x"}')}.x`
  expect((await logIn(token, { sourceIp: '192.0.2.77' })).body).toEqual(INVALID)
})

test('a kept response belongs to the key behind the session, not to the session', async () => {
  const body = { name: 'kept', type: 'counter', schedule_type: 'interval', interval_seconds: 60 }
  const post = (more: object, cookies?: string[]) =>
    call(createTask, {
      method: 'POST',
      path: '/tasks',
      body,
      headers: { 'idempotency-key': 'k', ...OWN_PAGE, ...more },
      ...(cookies && { cookies }),
    })
  expect((await post({ 'x-api-key': undefined }, [await cookieOf('ops-key-0123456789')])).statusCode).toBe(
    201,
  )
  const again = await post({ 'x-api-key': 'ops-key-0123456789' })
  expect(again.headers['idempotency-replayed']).toBe('true')
  expect((await post({ 'x-api-key': 'test-key' })).statusCode).toBe(409)
})
