import { beforeEach, expect, test, vi } from 'vitest'
import { handler as createTask } from '../../../functions/tasks/create.ts'
import { handler as pauseTasks } from '../../../functions/tasks/pause-all.ts'
import { db } from '../../../shared/db.ts'
import { eventually } from '../../setup/eventually.ts'
import { problem } from '../../setup/expected.ts'
import { call } from '../../setup/http-event.ts'
import { emptyTables } from '../../setup/rows.ts'

// Runs before the imports, which read the settings.
vi.hoisted(() => {
  process.env.MAX_IDEMPOTENCY_KEYS = '3'
})

beforeEach(emptyTables)

const create = (name: string, headers: Record<string, string>) =>
  call(createTask, {
    method: 'POST',
    path: '/tasks',
    body: { name, type: 'sleep', schedule_type: 'interval', interval_seconds: 60 },
    headers,
  })

const keyed = (key: string) => create(`task ${key}`, { 'idempotency-key': key })

const full = problem('unavailable', 'no more idempotency keys can be kept for now (MAX_IDEMPOTENCY_KEYS)', {
  reason: 'idempotency_keys',
  headers: { 'retry-after': '60' },
})

/** Repeats a request until this process has counted again and knows that there is room. Returns the response. */
const accepted = (key: string) =>
  eventually(async () => {
    const response = await keyed(key)
    expect(response.statusCode).toBe(201)
    return response
  })

test('counts the keys that other processes keep', async () => {
  await db()`
    insert into idempotency_keys (key, request_hash) select 'other ' || i, 'x' from generate_series(1, 3) i`
  expect(await keyed('a')).toEqual(full)
  await db()`update idempotency_keys set created_at = now() - interval '25 hours' where key = 'other 1'`
  await accepted('a')
})

test('a request with a new key is refused before it does anything, and a kept key still gets its response', async () => {
  const first = await accepted('a')
  // A failed request doesn't keep its key.
  expect(await create('task a', { 'idempotency-key': 'failed' })).toMatchObject({ statusCode: 409 })
  expect([await keyed('b'), await keyed('c')]).toMatchObject([{ statusCode: 201 }, { statusCode: 201 }])
  expect(await keyed('d')).toEqual(full)
  expect(await db()`select name from tasks order by id`).toEqual(
    ['a', 'b', 'c'].map((key) => ({ name: `task ${key}` })),
  )
  const replayed = { ...first, headers: { ...first.headers, 'idempotency-replayed': 'true' } }
  expect(await keyed('a')).toEqual(replayed)
  expect(await create('other', { 'idempotency-key': 'a' })).toMatchObject({ statusCode: 422 })
  expect(await create('without a key', {})).toMatchObject({ statusCode: 201 })
  const pause = { method: 'POST', path: '/tasks/pause', query: 'all=true' }
  expect(await call(pauseTasks, { ...pause, headers: { 'idempotency-key': 'd' } })).toEqual(full)

  // Once a kept key has expired, and this process has counted again, there is room for another.
  await db()`update idempotency_keys set created_at = now() - interval '25 hours' where key = 'b'`
  await accepted('d')
  expect(await keyed('e')).toEqual(full)
})
