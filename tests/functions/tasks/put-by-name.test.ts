import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { beforeEach, describe, expect, test } from 'vitest'
import { handler } from '../../../functions/tasks/put-by-name.ts'
import { createApp } from '../../../infra/container/adapter.ts'
import { loadHandlers } from '../../../infra/service/handlers.ts'
import { readService } from '../../../infra/service/service.ts'
import { db } from '../../../shared/db.ts'
import { aTask, etag, INSTANT, invalidFields, invalidParameter, json, problem } from '../../setup/expected.ts'
import { call, callOffline, type HttpCall } from '../../setup/http-event.ts'
import { emptyTables, insertExecution, insertOpen, insertTask, nowPlus } from '../../setup/rows.ts'

const put = (body: unknown, more: Partial<HttpCall> = {}) =>
  call(handler, {
    method: 'PUT',
    path: '/tasks/by-name/{name}',
    pathParameters: { name: 'a' },
    body,
    ...more,
  })

const minimal = { type: 'sleep', schedule_type: 'interval', interval_seconds: 60 }
const once_ = { type: 'sleep', schedule_type: 'once', next_run_at: '2020-01-01T00:00:00.000Z' }
const at = '2999-01-01T00:00:00.000Z'

const created = (given: object = {}) => json(201, aTask(given), { location: '/tasks/1', ...etag(1) })
const replaced = (given: object = {}, version = 2) => json(200, aTask({ version, ...given }), etag(version))

beforeEach(emptyTables)

test('creates the task if it does not exist', async () => {
  expect(await put({ ...minimal, tags: ['a'] })).toEqual(created({ tags: ['a'] }))
})

test('handles an event that uses null for missing values', async () => {
  const request = { method: 'PUT', path: '/tasks/by-name/{name}', pathParameters: { name: 'a' } }
  expect(await callOffline(handler, { ...request, body: minimal })).toEqual(created())
})

const own = {
  params: { duration: 9 },
  timeout_seconds: 5,
  overlap_policy: 'queue',
  misfire_policy: 'skip',
  misfire_grace_seconds: 1,
  max_attempts: 9,
  retry_backoff_seconds: 1,
  retry_max_backoff_seconds: 2,
  crash_limit: 0,
  pause_after_failures: 4,
  max_runs: 7,
  tags: ['x', 'y'],
  timezone: 'Asia/Tokyo',
  jitter_seconds: 0,
  end_at: '2999-12-31T00:00:00.000Z',
}

test('replaces the task and resets omitted fields to their defaults', async () => {
  await insertTask({ ...own, params: db().json(own.params), next_run_at: at })
  expect(await put(minimal)).toEqual(replaced({ next_run_at: at }))
})

test('a null resets a field to its default', async () => {
  await insertTask({ ...own, params: db().json(own.params), next_run_at: at })
  const nulls = Object.fromEntries(Object.keys(own).map((key) => [key, null]))
  expect(await put({ ...minimal, ...nulls })).toEqual(replaced({ next_run_at: at }))
})

test('replaces every field, every time the request is sent', async () => {
  await insertTask({ next_run_at: at })
  const given = { ...minimal, ...own }
  expect(await put(given)).toEqual(replaced({ ...given, next_run_at: at }))
  expect(await put(given)).toEqual(replaced({ ...given, next_run_at: at }, 3))
})

test("does not change the task's pause, counters or running execution", async () => {
  const past = { paused_at: at, pause_reason: 'maintenance', runs: 3, consecutive_failures: 2 }
  await insertTask({ ...past, next_run_at: at })
  await insertOpen('running')
  expect(await put(minimal)).toEqual(replaced({ ...past, next_run_at: at, running: true }))
})

describe('next_run_at', () => {
  test('stays the same if the schedule is unchanged, and moves if the schedule changes', async () => {
    await insertTask({ next_run_at: at })
    expect(await put({ ...minimal, max_attempts: 2 })).toEqual(replaced({ next_run_at: at, max_attempts: 2 }))
    const cron = { schedule_type: 'cron', interval_seconds: null, cron_expression: '0 0 1 1 *' }
    expect(await put({ type: 'sleep', ...cron })).toEqual(
      replaced({ ...cron, next_run_at: expect.stringMatching(/^20\d\d-01-01T00:00:00\.000Z$/) }, 3),
    )
  })

  test('becomes the current time when a future start_at is removed', async () => {
    const interval = { type: 'counter', schedule_type: 'interval', interval_seconds: 9 }
    await put({ ...interval, start_at: '2099-06-01T00:00:00Z' })
    const { body } = await put(interval)
    expect(Date.parse(body.next_run_at)).toBeLessThanOrEqual(Date.now() + 1000)
  })

  test('does not move if it is already due', async () => {
    const due = await nowPlus(-1)
    await insertTask({ next_run_at: due })
    expect(await put({ ...minimal, interval_seconds: 5 })).toEqual(
      replaced({ interval_seconds: 5, next_run_at: due }),
    )
  })

  test('is ignored if its occurrence has already run', async () => {
    const done = { schedule_type: 'once', interval_seconds: null, next_run_at: null }
    await insertTask(done)
    await insertExecution(once_.next_run_at)
    expect(await put(once_)).toEqual(replaced(done))
    await db()`update tasks set ${db()(minimal)}`
    await db()`update task_state set next_run_at = ${at}`
    expect(await put({ ...minimal, next_run_at: once_.next_run_at })).toEqual(
      replaced({ next_run_at: at }, 3),
    )
  })

  test('schedules a finished task again if it has not yet run at the given time', async () => {
    await insertTask({ schedule_type: 'once', interval_seconds: null, next_run_at: null })
    await insertExecution('2019-01-01T00:00:00Z')
    expect(await put(once_)).toEqual(replaced({ ...once_, interval_seconds: null }))
  })
})

test('rejects a different type and changes nothing', async () => {
  await insertTask({ name: 'say "hi"' })
  expect(await put({ ...minimal, type: 'http' }, { pathParameters: { name: 'say "hi"' } })).toEqual(
    problem('conflict', `task "say \\"hi\\"" has type sleep, which can't be changed`),
  )
  expect(await db()`select version from whole_tasks`).toEqual([{ version: 1 }])
})

describe('with If-Match', () => {
  const only = (tag: string) => put(minimal, { headers: { 'if-match': tag } })

  test('replaces the task only if its version matches', async () => {
    await insertTask({ next_run_at: at })
    expect(await only('"1"')).toEqual(replaced({ next_run_at: at }))
    expect(await only('"1"')).toEqual(problem('precondition_failed', 'the task is at version 2'))
    expect(await only('*')).toEqual(replaced({ next_run_at: at }, 3))
  })

  test.for(['"1"', '*'])('does not create a task if the tag is %s', async (tag) => {
    expect(await only(tag)).toEqual(problem('precondition_failed', 'there is no task with this name'))
    expect(await db()`select from whole_tasks`).toHaveLength(0)
  })

  test('rejects an unknown or malformed tag', async () => {
    await insertTask()
    expect(await only('"x"')).toEqual(problem('precondition_failed', 'the task is at version 1'))
    expect(await only('3')).toEqual(
      problem('bad_request', 'If-Match must be a list of entity tags, such as "3"'),
    )
  })
})

test('one of ten concurrent requests creates the task, and the others replace it', async () => {
  const answers = await Promise.all(Array.from({ length: 10 }, () => put(minimal)))
  expect(answers.map(({ statusCode }) => statusCode).toSorted()).toEqual([...Array(9).fill(200), 201])
  expect(await db()`select version from whole_tasks`).toEqual([{ version: 10 }])
})

test.for(['a b', 'a/b/../c', 'задача 🦖', '100%', 'a?b=c&d#e', '%2F', '...', 'run', '"', '+'])(
  'the container decodes and accepts the name %j',
  async (name) => {
    const service = await readService(new URL('../../../serverless.yml', import.meta.url).pathname)
    const app = createApp(service, await loadHandlers(service), {
      onError: (error) => expect.fail(String(error)),
    })
    const server = app.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const encoded = encodeURIComponent(name)
    const response = await fetch(`http://127.0.0.1:${port}/tasks/by-name/${encoded}`, {
      method: 'PUT',
      headers: { 'x-api-key': 'test-key', 'content-type': 'application/json' },
      body: JSON.stringify(minimal),
    })
    const { status, headers } = response
    const body = await response.json()
    server.close()
    server.closeAllConnections()
    expect({ status, location: headers.get('location'), body }).toEqual({
      status: 201,
      location: '/tasks/1',
      body: aTask({ name }),
    })
  },
)

test('rejects an invalid name or body', async () => {
  expect(await put({ ...minimal, name: 'b' })).toEqual(invalidFields(['#/name', 'is unknown']))
  expect(await put({ type: 'sleep', schedule_type: 'once' })).toEqual(
    invalidFields(['#/next_run_at', 'is required when schedule_type is once']),
  )
  expect(await put({ ...minimal, params: { x: 1 } })).toEqual(invalidFields(['#/params/x', 'is unknown']))
  expect(await put(minimal, { pathParameters: { name: ' a' } })).toEqual(
    invalidParameter('name', 'starts or ends with whitespace'),
  )
  expect(await put(minimal, { pathParameters: { name: 'x'.repeat(201) } })).toEqual(
    invalidParameter('name', 'must have at most 200 characters'),
  )
  expect(await put(minimal, { pathParameters: { name: 'a\u200b' } })).toEqual(
    invalidParameter('name', 'contains the hidden character U+200B'),
  )
  expect(await put('{')).toEqual(problem('invalid', 'Invalid or malformed JSON was provided'))
  expect(await db()`select from whole_tasks`).toHaveLength(0)
})

test('an invalid replacement changes nothing', async () => {
  await insertTask({ next_run_at: at, max_attempts: 4 })
  const wrong = { ...minimal, params: { duration: -1 } }
  expect(await put(wrong)).toEqual(invalidFields(['#/params/duration', 'must be at least 0']))
  const [row] = await db()`select max_attempts, version from whole_tasks`
  expect(row).toEqual({ max_attempts: 4, version: 1 })
  expect(await put(minimal)).toEqual(replaced({ next_run_at: at, created_at: INSTANT }))
})
