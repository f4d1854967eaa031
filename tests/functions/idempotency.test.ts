import { beforeEach, describe, expect, test } from 'vitest'
import { handler as rerunExecution } from '../../functions/executions/rerun.ts'
import { handler as notFound } from '../../functions/system/not-found.ts'
import { handler as createTask } from '../../functions/tasks/create.ts'
import { handler as pauseTasks } from '../../functions/tasks/pause-all.ts'
import { handler as runTask } from '../../functions/tasks/run.ts'
import { db } from '../../shared/db.ts'
import { aQueued, aTask, etag, json, problem } from '../setup/expected.ts'
import { call, type HttpCall } from '../setup/http-event.ts'
import { emptyTables, insertExecution, insertTask, statementsWaiting } from '../setup/rows.ts'
import { runNothingHere } from '../setup/scheduler.ts'

const task = { name: 'a', type: 'sleep', schedule_type: 'interval', interval_seconds: 60 }

const post = (body: unknown = task, key = 'k', more: Partial<HttpCall> = {}) =>
  call(createTask, { method: 'POST', path: '/tasks', body, headers: { 'idempotency-key': key }, ...more })

const run = (id: string, key = 'k') =>
  call(runTask, {
    method: 'POST',
    path: '/tasks/{id}/run',
    pathParameters: { id },
    headers: { 'idempotency-key': key },
  })

const location = '/tasks/1'
const created = json(201, aTask(), { location, ...etag(1) })
const other = problem('invalid', 'this Idempotency-Key was already used for a different request')
const busy = problem('conflict', 'a request with this Idempotency-Key is in progress', {
  headers: { 'retry-after': '1' },
})
const REPLAYED = { 'idempotency-replayed': 'true' }

const tasks = async () => (await db()`select from whole_tasks`).length

beforeEach(async () => {
  await emptyTables()
  runNothingHere()
})

test('a repeated request gets the same response, even if the task has changed', async () => {
  const first = await post()
  expect(first).toEqual(created)
  await db()`update tasks set interval_seconds = 5`
  const replayed = { ...first, headers: { ...first.headers, ...REPLAYED } }
  expect([await post(), await post()]).toEqual([replayed, replayed])
  expect(await tasks()).toBe(1)
})

test('repeating a run or rerun request starts only one execution', async () => {
  await insertTask()
  const first = await run('1', 'run')
  expect(first).toEqual(json(201, aQueued()))
  expect(await run('1', 'run')).toEqual({ ...first, headers: { ...first.headers, ...REPLAYED } })
  await insertTask({ name: 'b' })
  await insertExecution('2020-01-01T00:00:00Z', { task_id: 2 })
  const rerun = () =>
    call(rerunExecution, {
      method: 'POST',
      path: '/executions/{id}/rerun',
      pathParameters: { id: '2' },
      headers: { 'idempotency-key': 'rerun' },
    })
  const again = await rerun()
  expect(again).toEqual(
    json(201, aQueued({ id: 3, task_id: 2, task_name: 'b', trigger: 'rerun', rerun_of: 2 })),
  )
  expect(await rerun()).toEqual({ ...again, headers: { ...again.headers, ...REPLAYED } })
})

test('ignores the body of a request whose operation takes none', async () => {
  await insertTask()
  await insertExecution('2020-01-01T00:00:00Z', { task_id: 1 })
  const rerun = (body?: unknown) =>
    call(rerunExecution, {
      method: 'POST',
      path: '/executions/{id}/rerun',
      pathParameters: { id: '1' },
      headers: { 'idempotency-key': 'rerun' },
      body,
    })
  const first = await rerun('one body')
  expect(first.statusCode).toBe(201)
  expect([await rerun('another body'), await rerun()]).toEqual(
    Array(2).fill({ ...first, headers: { ...first.headers, ...REPLAYED } }),
  )
})

test('treats a request with a different key, or without a key, as a new request', async () => {
  await post()
  expect(await post({ ...task, name: 'b' }, 'l')).toEqual(
    json(201, aTask({ id: 2, name: 'b' }), { location: '/tasks/2', ...etag(1) }),
  )
  expect(await post({ ...task, name: 'c' }, 'k', { headers: {} })).toEqual(
    json(201, aTask({ id: 3, name: 'c' }), { location: '/tasks/3', ...etag(1) }),
  )
  expect(await post(task, 'K')).toEqual(problem('conflict', 'a task named "a" already exists'))
})

test('rejects a different request with the same key', async () => {
  await post()
  expect(await post({ ...task, name: 'b' })).toEqual(other)
  expect(await run('1')).toEqual(other)
  expect(await tasks()).toBe(1)
})

test('returns 409 with retry-after while the first request is in progress', async () => {
  const first = await db().begin(async (tx) => {
    await tx`lock table tasks in exclusive mode`
    const answer = post()
    await statementsWaiting(1)
    expect(await post()).toEqual(busy)
    return { answer }
  })
  expect(await first.answer).toEqual(created)
  expect(await post()).toEqual({ ...created, headers: { ...created.headers, ...REPLAYED } })
})

test('only one of twenty concurrent requests creates the task', async () => {
  const answers = await Promise.all(Array.from({ length: 20 }, () => post()))
  const replayed = { ...created, headers: { ...created.headers, ...REPLAYED } }
  const firsts = answers.filter((it) => it.statusCode === 201 && !('idempotency-replayed' in it.headers))
  expect(firsts).toEqual([created])
  const rest = answers.filter((it) => it !== firsts[0])
  expect(rest).toEqual(rest.map(({ statusCode }) => (statusCode === 409 ? busy : replayed)))
  expect(await tasks()).toBe(1)
})

describe('retention', () => {
  const age = async (interval: string) =>
    await db()`update idempotency_keys set created_at = now() - ${interval}::interval`

  test('keeps a response for 24 hours', async () => {
    await post()
    await age('23 hours 59 minutes')
    expect((await post()).headers).toMatchObject(REPLAYED)
    await age('24 hours 1 second')
    expect(await post()).toEqual(problem('conflict', 'a task named "a" already exists'))
    expect((await post({ ...task, name: 'b' })).statusCode).toBe(201)
  })

  test('keeps a key for a minute if the process exits before responding', async () => {
    await db()`insert into idempotency_keys (owner, key, request_hash) values ('env:API_KEY', 'k', 'x')`
    expect(await post()).toEqual(other)
    await age('61 seconds')
    expect(await post()).toEqual(created)
  })

  test('does not keep the key of a request that fails', async () => {
    const unknown = { ...task, type: 'shell' }
    expect((await post(unknown)).statusCode).toBe(422)
    expect(await post()).toEqual(created)
    expect(await run('9', 'other')).toEqual(problem('not_found', 'task 9 does not exist'))
    expect(await db()`select key from idempotency_keys`).toEqual([{ key: 'k' }])
  })
})

test.for(['', 'x'.repeat(256), 'a\0', 'a\tb', 'ключ'])('rejects the key %j', async (key) => {
  expect(await post(task, key)).toEqual(
    problem('bad_request', 'Idempotency-Key must be 1 to 255 printable ASCII characters'),
  )
  expect(await tasks()).toBe(0)
})

test('accepts a key of 255 characters, even one that looks like SQL', async () => {
  expect(await post(task, `'; drop table tasks; --`.padEnd(255, ' x'))).toEqual(created)
})

test('checks the API key before the idempotency key', async () => {
  await post()
  const { statusCode } = await post(task, 'k', { headers: { 'idempotency-key': 'k', 'x-api-key': 'wrong' } })
  expect(statusCode).toBe(401)
})

test('rejects a different query with the same key', async () => {
  const pause = (query: string) =>
    call(pauseTasks, { method: 'POST', path: '/tasks/pause', query, headers: { 'idempotency-key': 'k' } })
  expect(await pause('tag=a')).toMatchObject({ statusCode: 200 })
  expect(await pause('tag=b')).toEqual(other)
})

test('does not store idempotency keys for routes that do not require an API key', async () => {
  await call(notFound, { method: 'POST', path: '/nope', headers: { 'idempotency-key': 'k' } })
  expect(await db()`select from idempotency_keys where key = 'k'`).toEqual([])
})
