import { beforeEach, expect, test } from 'vitest'
import { handler as createKey } from '../../functions/keys/create.ts'
import { handler as deleteKey } from '../../functions/keys/delete.ts'
import { handler as listKeys } from '../../functions/keys/list.ts'
import { handler as createTask } from '../../functions/tasks/create.ts'
import { handler as listTasks } from '../../functions/tasks/list.ts'
import { generateKey } from '../../shared/access/api-key.ts'
import { StoredKeys } from '../../shared/access/stored-keys.ts'
import { db } from '../../shared/db.ts'
import { SCOPES } from '../../shared/scope.ts'
import { INSTANT, json, problem, unauthorized } from '../setup/expected.ts'
import { call } from '../setup/http-event.ts'
import { guarded } from '../setup/routes.ts'
import { emptyTables } from '../setup/rows.ts'

beforeEach(emptyTables)

const create = (body: object, headers = {}) =>
  call(createKey, { method: 'POST', path: '/keys', body, headers })

const keyWith = async (scope: string, more = {}): Promise<{ id: number; key: string }> =>
  (await create({ name: scope, scope, ...more })).body

const remove = (id: number) =>
  call(deleteKey, { method: 'DELETE', path: '/keys/{id}', pathParameters: { id: String(id) } })

let addresses = 0

/** Uses a key to list the tasks, from an address that hasn't been used before. */
const use = (key: string, headers: Record<string, string | undefined> = { 'x-api-key': key }) => {
  addresses += 1
  return call(listTasks, { method: 'GET', path: '/tasks', headers, sourceIp: `10.2.0.${addresses}` })
}

test('a key is shown once, and only its hash is stored', async () => {
  const { statusCode, body } = await create({ name: 'ci', scope: 'run' })
  expect(statusCode).toBe(201)
  const { key, ...shown } = body
  expect(key).toMatch(/^tsk_\d+_[0-9a-f]{56}$/)
  expect(shown).toEqual({
    id: expect.any(Number),
    name: 'ci',
    scope: 'run',
    created_at: INSTANT,
    expires_at: null,
    last_used_at: null,
  })
  expect(await call(listKeys, { method: 'GET', path: '/keys' })).toEqual(json(200, [shown]))
  const [row] = await db()`select * from api_keys`
  expect(JSON.stringify(row)).not.toContain(key)
})

test('a key works as x-api-key and as a bearer token, and its use is recorded', async () => {
  const { key } = await keyWith('read')
  expect((await use(key)).statusCode).toBe(200)
  expect((await use(key, { 'x-api-key': undefined, authorization: `Bearer ${key}` })).statusCode).toBe(200)
  const [row] = await db()`select last_used_at from api_keys`
  expect(row?.last_used_at).toBeInstanceOf(Date)
})

test('a key with a changed character is invalid', async () => {
  const { key } = await keyWith('read')
  for (const at of [4, 10, key.length - 1]) {
    const other = key[at] === '1' ? '2' : '1'
    expect(await use(key.slice(0, at) + other + key.slice(at + 1))).toEqual(unauthorized('invalid API key'))
  }
})

test('an expired key is invalid', async () => {
  const { id, key } = await keyWith('read', { expires_at: '2100-01-01T00:00:00Z' })
  await db()`update api_keys set expires_at = '2020-01-01' where id = ${id}`
  expect(await use(key)).toEqual(unauthorized('invalid API key'))
})

test('a deleted key is invalid, and its replacement with the same name is valid', async () => {
  const old = await keyWith('read')
  const next = await keyWith('read')
  expect([(await use(old.key)).statusCode, (await use(next.key)).statusCode]).toEqual([200, 200])
  expect(await create({ name: 'read', scope: 'read' })).toEqual(
    problem('conflict', 'there are already 2 keys named read; delete one of them first'),
  )
  expect(await remove(old.id)).toEqual(json(200, { deleted: true }))
  expect(await use(old.key)).toEqual(unauthorized('invalid API key'))
  expect((await use(next.key)).statusCode).toBe(200)
  expect(await remove(old.id)).toEqual(problem('not_found', `key ${old.id} does not exist`))
})

test.for([2 ** 31, 2 ** 53 - 1])('a key with the id %d does not exist', async (id) => {
  expect(await remove(id)).toEqual(problem('not_found', `key ${id} does not exist`))
})

test('of ten concurrent requests with the same name, two create a key', async () => {
  const answers = await Promise.all(Array.from({ length: 10 }, () => create({ name: 'a', scope: 'read' })))
  expect(answers.filter(({ statusCode }) => statusCode === 201)).toHaveLength(2)
})

test('a response that contains a key is never stored', async () => {
  expect(await create({ name: 'a', scope: 'read' }, { 'idempotency-key': 'k' })).toEqual(
    problem('bad_request', 'Idempotency-Key is not supported here, because the response is a secret'),
  )
  expect(await db()`select from api_keys`).toHaveLength(0)
})

test('a kept response belongs to the key that sent the request', async () => {
  const { key } = await keyWith('write')
  const post = (name: string, headers: object) => {
    const body = { name, type: 'counter', schedule_type: 'interval', interval_seconds: 60 }
    return call(createTask, {
      method: 'POST',
      path: '/tasks',
      body,
      headers: { 'idempotency-key': 'k', ...headers },
    })
  }
  expect((await post('a', {})).body.name).toBe('a')
  expect((await post('b', { 'x-api-key': key })).body.name).toBe('b')
  expect((await post('a', {})).headers['idempotency-replayed']).toBe('true')
})

test.for([
  ['a scope that does not exist', { name: 'a', scope: 'root' }, '/scope'],
  ['a name with a space', { name: 'a b', scope: 'read' }, '/name'],
  ['a missing scope', { name: 'a' }, '/scope'],
  ['an expiry in the past', { name: 'a', scope: 'read', expires_at: '2020-01-01T00:00:00Z' }, '/expires_at'],
  ['a time that does not exist', { name: 'a', scope: 'read', expires_at: 'tomorrow' }, '/expires_at'],
])('rejects %s', async ([, body, pointer]) => {
  expect((await create(body as object)).body.errors).toEqual([
    expect.objectContaining({ pointer: `#${pointer}` }),
  ])
})

const NEEDED = {
  read: /^(GET|POST \/schedules\/preview)/,
  run: /\/(run|cancel|rerun)$/,
  admin: / \/keys/,
}

test.for(
  guarded.map(({ handler, request }) => ({ route: `${request.method} ${request.path}`, handler, request })),
)('which scopes may call $route', async ({ route, handler, request }) => {
  const needed = NEEDED.admin.test(route)
    ? 'admin'
    : NEEDED.run.test(route)
      ? 'run'
      : NEEDED.read.test(route)
        ? 'read'
        : 'write'
  for (const scope of SCOPES) {
    const { key } = await keyWith(scope)
    const answer = await call(handler, { ...request, headers: { 'x-api-key': key } })
    const isEnough = SCOPES.indexOf(scope) >= SCOPES.indexOf(needed)
    if (isEnough) expect([200, 201, 404, 409]).toContain(answer.statusCode)
    else {
      const detail = `this requires the scope ${needed}, but ${scope} has the scope ${scope}`
      expect(answer).toEqual(problem('forbidden', detail))
    }
  }
})

test('a made-up key causes no query, and many well-formed keys cause only one query a second', async () => {
  const { key } = await keyWith('read')
  let queries = 0
  const counted = new Proxy(db(), {
    apply(target, self, given) {
      queries += 1
      return Reflect.apply(target, self, given)
    },
  })
  const keys = new StoredKeys(counted)
  expect(await keys.find('tsk_1_made-up')).toBeNull()
  expect(await keys.find(key.replace(/.$/, key.endsWith('0') ? '1' : '0'))).toBeNull()
  expect(queries).toBe(0)
  const found = await Promise.all(
    Array.from({ length: 200 }, (_, index) => keys.find(generateKey(1000 + index))),
  )
  expect(found.every((it) => it === null)).toBe(true)
  expect(queries).toBe(1)
})
