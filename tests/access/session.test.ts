import { createHash } from 'node:crypto'
import { beforeEach, describe, expect, test } from 'vitest'

process.env.API_KEYS = 'ops:write:ops-key-0123456789'
const { handler: createKey } = await import('../../functions/keys/create.ts')
const { handler: deleteKey } = await import('../../functions/keys/delete.ts')
const { handler: createTask } = await import('../../functions/tasks/create.ts')
const { Sessions } = await import('../../shared/access/session/sessions.ts')
const { newToken } = await import('../../shared/access/session/token.ts')
const { db } = await import('../../shared/db.ts')
const { storedKeys } = await import('../../shared/http/access.ts')
const { SCOPES } = await import('../../shared/scope.ts')
const { INSTANT, json, problem, unauthorized } = await import('../setup/expected.ts')
const { call } = await import('../setup/http-event.ts')
const { guarded } = await import('../setup/routes.ts')
const { emptyTables } = await import('../setup/rows.ts')
const { COOKIE, cookieOf, list, logIn, logOut, OWN_PAGE, showSession } = await import('./session.ts')

beforeEach(emptyTables)

const keyWith = async (scope: string, more = {}): Promise<{ id: number; key: string }> =>
  (await call(createKey, { method: 'POST', path: '/keys', body: { name: scope, scope, ...more } })).body

const ENDED = unauthorized('the session has ended; log in again, or send a key')
const NOBODY = { login: 'key', name: null, scope: null, expires_at: null }
const ADMIN = { login: 'key', name: 'API_KEY', scope: 'admin', expires_at: INSTANT }

describe('a session', () => {
  test('starts with a key, and its cookie takes the place of the key', async () => {
    const { cookies, ...answer } = await logIn('test-key')
    expect(answer).toEqual(json(201, ADMIN))
    expect(cookies).toEqual([
      expect.stringMatching(/^__Host-tsk_session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Secure$/),
    ])
    const cookie = cookies?.[0]?.split(';')[0] ?? ''
    expect((await list(cookie)).statusCode).toBe(200)
    expect(await showSession({ cookies: [cookie] })).toEqual(json(200, ADMIN))
    expect(await showSession()).toEqual(json(200, NOBODY))
  })

  test('works from any number of tabs at once', async () => {
    const cookie = await cookieOf('test-key')
    const answers = await Promise.all(Array.from({ length: 50 }, () => list(cookie)))
    expect(new Set(answers.map(({ statusCode }) => statusCode))).toEqual(new Set([200]))
  })

  test('ends in all tabs by logging out, which also removes the cookie', async () => {
    const cookie = await cookieOf('test-key')
    expect((await list(cookie)).statusCode).toBe(200)
    const { cookies, ...answer } = await logOut({ cookies: [cookie] })
    expect(answer).toEqual(json(200, NOBODY))
    expect(cookies).toEqual([`${COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Secure; Max-Age=0`])
    expect(await list(cookie)).toEqual(ENDED)
    expect(await showSession({ cookies: [cookie] })).toEqual(json(200, NOBODY))
    expect((await logOut({ cookies: [cookie] })).statusCode).toBe(200)
  })

  test('that ends while it is being looked up is not kept', async () => {
    const [, token = ''] = (await cookieOf('test-key')).split('=')
    const { promise: mayAnswer, resolve: answer } = Promise.withResolvers<void>()
    const { promise: asked, resolve: isAsked } = Promise.withResolvers<void>()
    const slow = new Proxy(db(), {
      async apply(target, self, given) {
        const rows = await Reflect.apply(target, self, given)
        isAsked()
        await mayAnswer
        return rows
      },
    })
    const keys = [{ name: 'API_KEY', scope: 'admin', key: 'test-key' }] as const
    const sessions = new Sessions({ sql: slow, keys, stored: storedKeys(), issuerBasis: undefined })
    const finding = sessions.find(token)
    await asked
    await db()`delete from sessions`
    sessions.forget(token)
    answer()
    expect([await finding, await sessions.find(token)]).toEqual([null, null])
  })

  test('ends with its key in the table', async () => {
    const { id, key } = await keyWith('read')
    const cookie = await cookieOf(key)
    expect((await list(cookie)).statusCode).toBe(200)
    await call(deleteKey, { method: 'DELETE', path: '/keys/{id}', pathParameters: { id: String(id) } })
    expect(await list(cookie)).toEqual(ENDED)
    expect(await db()`select from sessions`).toHaveLength(0)
  })

  test('ends when its key expires, and says so beforehand', async () => {
    const soon = new Date(Date.now() + 3_600_000).toISOString()
    const { id, key } = await keyWith('read', { expires_at: soon })
    expect((await logIn(key)).body.expires_at).toBe(soon)
    const cookie = await cookieOf(key)
    expect((await showSession({ cookies: [cookie] })).body.expires_at).toBe(soon)
    await db()`update api_keys set expires_at = now() where id = ${id}`
    storedKeys().forget()
    expect(await list(cookie)).toEqual(ENDED)
  })

  test('ends when its key is gone from the environment or has been replaced, whatever its name', async () => {
    const [, token = ''] = (await cookieOf('ops-key-0123456789')).split('=')
    const find = (...keys: { name: string; scope: 'read' | 'write'; key: string }[]) =>
      new Sessions({ sql: db(), keys, stored: storedKeys(), issuerBasis: undefined }).find(token)
    const ops = { name: 'ops', scope: 'write', key: 'ops-key-0123456789' } as const
    expect((await find(ops))?.principal).toEqual({ id: 'env:ops', name: 'ops', scope: 'write' })
    expect((await find({ ...ops, scope: 'read' }))?.principal.scope).toBe('read')
    expect(await find()).toBeNull()
    expect(await find({ ...ops, key: 'ops-key-9876543210' })).toBeNull()
  })

  test.for([
    ['12 hours', 401],
    ['11 hours 59 minutes', 200],
  ] as const)('that was last used %s ago gets %d', async ([ago, status]) => {
    const cookie = await cookieOf('test-key')
    await db()`update sessions set last_used_at = now() - ${ago}::interval, created_at = now() - interval '30 days'`
    expect((await list(cookie)).statusCode).toBe(status)
  })

  test('is marked as used, at most once a minute, and so is its key', async () => {
    const { key } = await keyWith('read')
    const cookie = await cookieOf(key)
    const lastUsed = async () => (await db()`select last_used_at::text as at from sessions`)[0]?.at
    const first = await lastUsed()
    await list(cookie)
    expect(await lastUsed()).toBe(first)
    await db()`update sessions set last_used_at = now() - interval '61 seconds'`
    const [, token = ''] = cookie.split('=')
    const fresh = new Sessions({ sql: db(), keys: [], stored: storedKeys(), issuerBasis: undefined })
    await fresh.find(token)
    const [row] = await db()`
      select s.last_used_at > now() - interval '30 seconds' as used, k.last_used_at is not null as "keyUsed"
      from sessions s join api_keys k on k.id = key_id`
    expect(row).toEqual({ used: true, keyUsed: true })
  })

  test('is not in the database as its token, nor as a hash of its key', async () => {
    const cookie = await cookieOf('test-key')
    const [row] = await db()`select * from sessions`
    const stored = JSON.stringify(row)
    expect(stored).not.toContain(cookie.split('=')[1])
    const plain = JSON.stringify(createHash('sha256').update('test-key').digest())
    expect(stored).not.toContain(plain)
  })

  test('is replaced by the next login of the same browser', async () => {
    const first = await cookieOf('test-key')
    const second = await cookieOf('ops-key-0123456789', { cookies: [first] })
    expect(second).not.toBe(first)
    expect(await list(first)).toEqual(ENDED)
    expect((await list(second)).statusCode).toBe(200)
    expect(await db()`select from sessions`).toHaveLength(1)
  })
})

describe('which scopes a session has', () => {
  test.for(
    guarded.map(({ handler, request }) => ({ route: `${request.method} ${request.path}`, handler, request })),
  )('for $route, those of its key', async ({ handler, request }) => {
    for (const scope of SCOPES) {
      const { key } = await keyWith(scope)
      const cookie = await cookieOf(key)
      const headers = { 'x-api-key': undefined, ...OWN_PAGE }
      const byCookie = await call(handler, { ...request, headers, cookies: [cookie] })
      const isEnough = SCOPES.indexOf(scope) >= SCOPES.indexOf(handler.operation.access as typeof scope)
      if (isEnough) expect([200, 201, 404, 409]).toContain(byCookie.statusCode)
      else {
        const detail = `this requires the scope ${handler.operation.access}, but ${scope} has the scope ${scope}`
        expect(byCookie).toEqual(problem('forbidden', detail))
      }
    }
  })
})

test.for([
  ['https', undefined, `${COOKIE}=`, true],
  ['https,http', undefined, `${COOKIE}=`, true],
  [undefined, 'https://tasks.example.org', 'tsk_session=', true],
  ['http', 'http://tasks.example.org', 'tsk_session=', false],
  [undefined, undefined, 'tsk_session=', false],
] as const)(
  'with X-Forwarded-Proto %s and the origin %s, the cookie starts with %s, and whether it is secure: %s',
  async ([proto, origin, start, isSecure]) => {
    const headers = { host: 'tasks.example.org', 'x-forwarded-proto': proto, origin }
    const [cookie = ''] = (await logIn('test-key', { headers })).cookies ?? []
    expect([cookie.startsWith(start), cookie.endsWith('; Secure')]).toEqual([true, isSecure])
  },
)

describe('bounds', () => {
  test('one key has 100 sessions; the next login ends the one used least lately', async () => {
    const oldest = await cookieOf('test-key')
    await db()`update sessions set last_used_at = now() - interval '1 hour'`
    await Promise.all(Array.from({ length: 100 }, () => logIn('test-key')))
    expect(await db()`select from sessions`).toHaveLength(100)
    expect(await list(oldest)).toEqual(ENDED)
    expect((await logIn('ops-key-0123456789')).statusCode).toBe(201)
    expect(await db()`select from sessions`).toHaveLength(101)
  })

  test('there are 10,000 sessions in all, and expired ones are deleted', async () => {
    await db()`
      insert into sessions (token_hash, owner, proof, last_used_at)
      select sha256(i::text::bytea), 'env:' || i, sha256('x'), now() - make_interval(secs => i) from generate_series(1, 10000) i`
    expect((await logIn('test-key')).statusCode).toBe(201)
    expect(await db()`select from sessions where owner = 'env:10000'`).toHaveLength(0)
    expect(await db()`select from sessions`).toHaveLength(10_000)
    await db()`update sessions set last_used_at = now() - interval '13 hours' where owner <> 'env:API_KEY'`
    expect((await logIn('test-key')).statusCode).toBe(201)
    expect(await db()`select from sessions`).toHaveLength(9001)
  })

  test('many made-up tokens cause few queries, and malformed ones none', async () => {
    let queries = 0
    const counted = new Proxy(db(), {
      apply(target, self, given) {
        queries += 1
        return Reflect.apply(target, self, given)
      },
    })
    const sessions = new Sessions({ sql: counted, keys: [], stored: storedKeys(), issuerBasis: undefined })
    for (const token of ['', 'x', 'x'.repeat(44), `${'x'.repeat(42)}=`, `${'x'.repeat(42)}é`])
      expect(await sessions.find(token)).toBeNull()
    expect(queries).toBe(0)
    const found = await Promise.all(Array.from({ length: 900 }, () => sessions.find(newToken())))
    expect(found.every((it) => it === null)).toBe(true)
    expect(queries).toBe(1)
  })

  test('logging out with made-up tokens deletes nothing and waits for no lock', async () => {
    await cookieOf('test-key')
    const cookies = Array.from({ length: 20 }, () => `${COOKIE}=${newToken()}`)
    const answers = await Promise.all(cookies.map((cookie) => logOut({ cookies: [cookie] })))
    expect(new Set(answers.map(({ statusCode }) => statusCode))).toEqual(new Set([200]))
    expect(await db()`select from sessions`).toHaveLength(1)
  })

  test('at most 1000 tokens wait to be looked up', async () => {
    const sessions = new Sessions({ sql: db(), keys: [], stored: storedKeys(), issuerBasis: undefined })
    const all = await Promise.allSettled(Array.from({ length: 1001 }, () => sessions.find(newToken())))
    expect(all.filter(({ status }) => status === 'rejected')).toMatchObject([
      { reason: { code: 'unavailable' } },
    ])
  })

  test('a login counts wrong keys together with those in headers', async () => {
    const statuses: unknown[] = []
    for (let guess = 0; guess < 10; guess += 1) {
      statuses.push((await logIn(`guess-${guess}`, { sourceIp: '192.0.2.1' })).statusCode)
      const { statusCode } = await call(createTask, {
        method: 'POST',
        path: '/tasks',
        body: {},
        headers: { 'x-api-key': `guess-${guess}` },
        sourceIp: '192.0.2.1',
      })
      statuses.push(statusCode)
    }
    expect(new Set(statuses)).toEqual(new Set([401]))
    const { statusCode, headers } = await logIn('guess', { sourceIp: '192.0.2.1' })
    expect([statusCode, Number(headers['retry-after']) > 0]).toEqual([429, true])
    expect((await logIn('test-key', { sourceIp: '192.0.2.1' })).statusCode).toBe(201)
  })
})

test('a login takes a body of 16 KiB at most', async () => {
  const { handler } = await import('../../functions/session/create.ts')
  const body = JSON.stringify({ key: 'test-key' }).padEnd(16_385)
  const login = { method: 'POST', path: '/session', headers: { 'x-api-key': undefined } }
  expect(await call(handler, { ...login, body })).toEqual(
    problem('payload_too_large', 'the body is larger than 16384 bytes'),
  )
  expect((await call(handler, { ...login, body: body.slice(0, -1) })).statusCode).toBe(201)
})

test.for([
  [{}, '/key'],
  [{ key: '' }, '/key'],
  [{ key: 1 }, '/key'],
  [{ key: 'k'.repeat(8193) }, '/key'],
  [{ key: 'test-key', name: 'x' }, '/name'],
])('a login with %j is invalid', async ([body, pointer]) => {
  const { handler } = await import('../../functions/session/create.ts')
  const answer = await call(handler, {
    method: 'POST',
    path: '/session',
    body,
    headers: { 'x-api-key': undefined },
  })
  expect(answer).toMatchObject({ statusCode: 422, body: { errors: [{ pointer: `#${pointer}` }] } })
})
