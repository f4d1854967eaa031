import { beforeEach, describe, expect, test } from 'vitest'
import { handler } from '../../../functions/tasks/list.ts'
import { db } from '../../../shared/db.ts'
import { aTask, invalidParameter, json, NOT_A_TYPE } from '../../setup/expected.ts'
import { call, callOffline } from '../../setup/http-event.ts'
import { cursorOf, walk } from '../../setup/pages.ts'
import { emptyTables, insertExecution, insertOpen, insertTask } from '../../setup/rows.ts'

const list = (query = '') => call(handler, { method: 'GET', path: '/tasks', query })

const named = (...names: string[]) => names.map((name) => expect.objectContaining({ name }))

beforeEach(emptyTables)

test('returns an empty list when there are no tasks', async () => {
  expect(await list()).toEqual(json(200, []))
})

test('lists tasks, oldest first', async () => {
  await insertTask({ name: 'b', next_run_at: '2027-03-11T00:00:00Z' })
  await insertTask({ name: 'a', next_run_at: '2027-03-10T00:00:00Z' })
  await db()`update tasks set updated_at = now() where id = 1`
  expect(await list()).toEqual(json(200, [aTask({ id: 1, name: 'b' }), aTask({ id: 2, name: 'a' })]))
})

test('handles an event that uses null for missing values', async () => {
  expect(await callOffline(handler, { method: 'GET', path: '/tasks' })).toEqual(json(200, []))
})

describe('paging', () => {
  beforeEach(async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) await insertTask({ name })
  })

  test('links to the next page with the same query', async () => {
    const response = await list('limit=2&name_prefix=&type=sleep')
    const link = `</tasks?limit=2&name_prefix=&type=sleep&cursor=${cursorOf(2)}>; rel="next"`
    expect(response).toEqual(json(200, [aTask({ id: 1, name: 'a' }), aTask({ id: 2, name: 'b' })], { link }))
  })

  test('lists every task exactly once', async () => {
    const pages = await walk(handler, { method: 'GET', path: '/tasks', query: 'limit=2' })
    expect(pages).toEqual([named('a', 'b'), named('c', 'd'), named('e')])
  })

  test('omits the link if the page is not full', async () => {
    expect((await list('limit=6')).headers.link).toBeUndefined()
  })

  test('ends a page when its params reach a megabyte before compression, and still lists every task', async () => {
    const body = 'a'.repeat(400_000)
    await db()`update tasks set params = jsonb_build_object('body', ${body}::text) where id > 1`
    const pages = await walk(handler, { method: 'GET', path: '/tasks', query: 'limit=6' })
    expect(pages).toEqual([named('a', 'b', 'c', 'd'), named('e')])
  })

  test('returns at least one task per page', async () => {
    const body = 'a'.repeat(2 ** 20)
    await db()`update tasks set params = jsonb_build_object('body', ${body}::text) where id < 3`
    const pages = await walk(handler, { method: 'GET', path: '/tasks', query: 'limit=6' })
    expect(pages).toEqual([named('a'), named('b'), named('c', 'd', 'e')])
  })

  test('continues even if the last task of the previous page was deleted', async () => {
    await db()`delete from tasks where id = 2`
    expect((await list(`cursor=${cursorOf(2)}`)).body).toEqual(named('c', 'd', 'e'))
  })
})

describe('filters', () => {
  beforeEach(async () => {
    await insertTask({ name: 'a%_1' })
    await insertTask({ name: 'A', type: 'http' })
    await insertTask({ name: 'a%2', schedule_type: 'once', interval_seconds: null })
    await insertTask({ name: 'paused', paused_at: '2027-03-10T00:00:00Z' })
  })

  test.for([
    ['type=http', ['A']],
    ['schedule_type=once', ['a%2']],
    ['schedule_type=cron', []],
    ['paused=true', ['paused']],
    ['paused=false', ['a%_1', 'A', 'a%2']],
    ['name_prefix=a', ['a%_1', 'a%2']],
    ['name_prefix=a%25_', ['a%_1']],
    [`name_prefix=${encodeURIComponent("' or true --")}`, []],
    ['name_prefix=%ED%A0%80', []],
    ['type=sleep&paused=false&schedule_type=interval', ['a%_1']],
  ] as [string, string[]][])('%s', async ([query, names]) => {
    const { statusCode, body } = await list(query)
    expect({ statusCode, body }).toEqual({ statusCode: 200, body: named(...names) })
  })
})

describe('state', () => {
  beforeEach(async () => {
    await insertTask({ name: 'waiting' })
    await insertTask({ name: 'late', next_run_at: '2020-01-01T00:00:00Z' })
    await insertTask({ name: 'running', next_run_at: '2020-01-01T00:00:00Z', consecutive_failures: 1 })
    await insertOpen('running', { task_id: 3 })
    await insertTask({ name: 'queued' })
    await insertOpen('queued', { task_id: 4 })
    await insertTask({ name: 'failing', consecutive_failures: 2 })
    await insertTask({ name: 'ended', next_run_at: null })
    await insertTask({
      name: 'paused',
      next_run_at: '2020-01-01T00:00:00Z',
      paused_at: '2027-01-01T00:00:00Z',
    })
    await insertTask({ name: 'retrying' })
    await insertOpen('queued', {
      task_id: 8,
      unheld_due_at: '2999-01-01T00:00:00Z',
      due_at: '2999-01-01T00:00:00Z',
    })
  })

  test('is the first that applies', async () => {
    const { body } = await list()
    expect(body.map(({ name, state }: { name: string; state: string }) => [name, state])).toEqual([
      ['waiting', 'waiting'],
      ['late', 'late'],
      ['running', 'running'],
      ['queued', 'late'],
      ['failing', 'failing'],
      ['ended', 'ended'],
      ['paused', 'paused'],
      ['retrying', 'waiting'],
    ])
  })

  test.for<[query: string, names: string[]]>([
    ['state=running', ['running']],
    ['state=late', ['late', 'queued']],
    ['state=failing', ['running', 'failing']],
    ['state=ended', ['ended']],
    ['state=paused', ['paused']],
    ['state=late,ended', ['late', 'queued', 'ended']],
    ['state=late,running,paused&order=desc', ['paused', 'queued', 'running', 'late']],
    ['search=AI', ['waiting', 'failing']],
    ['search=ing&state=failing', ['running', 'failing']],
  ])('%s', async ([query, names]) => {
    const { statusCode, body } = await list(query)
    expect({ statusCode, body }).toEqual({ statusCode: 200, body: named(...names) })
  })
})

test('a queued manual run keeps a task from having ended', async () => {
  await insertTask({ name: 'asked', next_run_at: null, run_queued_at: '2027-01-01T00:00:00Z' })
  expect((await list('state=ended')).body).toEqual([])
})

describe('sort', () => {
  beforeEach(async () => {
    await insertTask({ name: 'b', next_run_at: '2027-03-12T00:00:00Z' })
    await insertTask({ name: 'ä', next_run_at: null })
    await insertTask({ name: 'B', next_run_at: '2027-03-11T00:00:00Z' })
    await insertTask({ name: 'a', next_run_at: '2027-03-12T00:00:00Z' })
    await insertTask({ name: 'a b', next_run_at: null })
    await db()`
      update task_state set busy_from = '2027-01-01'::timestamptz + task_id % 3 * interval '1 s' where task_id <> 1`
  })

  test.for<[sorting: string, names: string[]]>([
    ['sort=id&order=desc', ['a b', 'a', 'B', 'ä', 'b']],
    ['sort=name', ['B', 'a', 'a b', 'b', 'ä']],
    ['sort=name&order=desc', ['ä', 'b', 'a b', 'a', 'B']],
    ['sort=next_run_at', ['B', 'b', 'a', 'ä', 'a b']],
    ['sort=next_run_at&order=desc', ['a', 'b', 'B', 'a b', 'ä']],
    ['sort=last_run', ['B', 'a', 'ä', 'a b', 'b']],
    ['sort=last_run&order=desc', ['a b', 'ä', 'a', 'B', 'b']],
  ])('?%s lists every task exactly once across all pages', async ([sorting, names]) => {
    for (const limit of [1, 2, 10]) {
      const query = `${sorting}&limit=${limit}`
      const pages = await walk(handler, { method: 'GET', path: '/tasks', query })
      expect(pages.flat()).toEqual(named(...names))
    }
  })
})

describe('history', () => {
  test('shows how the last execution ended, and the last twenty, oldest first', async () => {
    await insertTask()
    for (let minute = 10; minute < 35; minute += 1) await insertExecution(`2027-03-10T00:${minute}:00Z`)
    await insertExecution('2027-03-10T00:40:00Z', {
      status: 'failed',
      started_at: '2027-03-10T00:40:01.250Z',
      finished_at: '2027-03-10T00:40:03Z',
      result: null,
      detail: 'no',
      error_code: 'refused',
    })
    await insertExecution('2027-03-10T00:41:00Z', {
      status: 'skipped',
      started_at: null,
      skip_reason: 'overlap',
      skipped_until: '2027-03-10T00:41:00Z',
      skipped_count: 1,
    })
    const [task] = (await list()).body
    expect(task.last_execution).toEqual({
      id: 26,
      status: 'failed',
      scheduled_for: '2027-03-10T00:40:00.000Z',
      started_at: '2027-03-10T00:40:01.250Z',
      finished_at: '2027-03-10T00:40:03.000Z',
      duration_ms: 1750,
      detail: 'no',
      error_code: 'refused',
    })
    expect(task.recent.map(({ id }: { id: number }) => id)).toEqual([...Array(20).keys()].map((it) => it + 8))
    expect(task.recent.slice(-2)).toEqual([
      { id: 26, status: 'failed', finished_at: '2027-03-10T00:40:03.000Z', duration_ms: 1750 },
      { id: 27, status: 'skipped', finished_at: '2027-03-10T00:41:00.000Z', duration_ms: null },
    ])
  })

  test('of one task does not contain executions of another', async () => {
    await insertTask({ name: 'a' })
    await insertTask({ name: 'b' })
    await insertExecution('2027-03-10T00:00:00Z', { task_id: 2 })
    expect((await list()).body).toMatchObject([
      { last_execution: null, recent: [] },
      { last_execution: { id: 1 }, recent: [{ id: 1 }] },
    ])
  })
})

const notDigits = 'must be a whole number'
const notACursor = 'is not a cursor for this list'

test.for([
  ['limit=0', 'limit', 'must be at least 1'],
  ['limit=1001', 'limit', 'must be at most 1000'],
  ['limit=', 'limit', notDigits],
  ['limit=1e1', 'limit', notDigits],
  ['limit=-1', 'limit', notDigits],
  ['limit=1&limit=2', 'limit', 'must be a whole number'],
  ['cursor=', 'cursor', notACursor],
  ['cursor=%00', 'cursor', 'contains a NUL character'],
  ['cursor=*', 'cursor', notACursor],
  [`cursor=${cursorOf(null)}`, 'cursor', notACursor],
  [`cursor=${cursorOf('1')}`, 'cursor', notACursor],
  [`cursor=${cursorOf(1.5)}`, 'cursor', notACursor],
  [`cursor=${cursorOf(2 ** 53)}`, 'cursor', notACursor],
  [`cursor=${cursorOf(['2027-03-10T00:00:00Z', 1])}`, 'cursor', notACursor],
  [`cursor=${'A'.repeat(2001)}`, 'cursor', 'must have at most 2000 characters'],
  [`sort=name&cursor=${cursorOf(1)}`, 'cursor', notACursor],
  [`sort=name&order=desc&cursor=${cursorOf(['name asc', 'a', 1])}`, 'cursor', notACursor],
  [`sort=last_run&cursor=${cursorOf(['last_run asc', 'a', 1])}`, 'cursor', notACursor],
  ['sort=size', 'sort', expect.stringMatching(/^must be one of /)],
  ['state=idle', 'state', expect.stringMatching(/^must be one of /)],
  ['type=shell', 'type', NOT_A_TYPE],
  ['schedule_type=', 'schedule_type', 'must be one of interval, once, cron'],
  ['paused=maybe', 'paused', expect.stringMatching(/^must be one of true, /)],
  ['name_prefix=%00', 'name_prefix', 'contains a NUL character'],
  [`name_prefix=${'x'.repeat(201)}`, 'name_prefix', 'must have at most 200 characters'],
  ['status=running', 'status', 'is unknown; did you mean state?'],
  ['__proto__=1', '__proto__', 'is unknown'],
  ['constructor=1', 'constructor', 'is unknown'],
  ['%zz', '%zz', 'is unknown'],
])('rejects ?%s', async ([query, parameter, detail]) => {
  const { statusCode, body } = await list(query)
  expect({ statusCode, errors: body.errors }).toEqual({ statusCode: 422, errors: [{ parameter, detail }] })
})

test('lists every invalid parameter', async () => {
  expect(await list('limit=x&x=1')).toEqual({
    ...invalidParameter('limit', notDigits),
    body: {
      ...invalidParameter('limit', notDigits).body,
      detail: `limit: ${notDigits}; x: is unknown`,
      errors: [
        { parameter: 'limit', detail: notDigits },
        { parameter: 'x', detail: 'is unknown' },
      ],
    },
  })
})

test.for([[-5], [0]])('accepts a cursor with any id, even %s', async ([id]) => {
  await insertTask()
  expect((await list(`cursor=${cursorOf(id)}`)).body).toEqual(named('a'))
})

test('returns an empty page after the largest possible id', async () => {
  await insertTask()
  expect(await list(`cursor=${cursorOf(Number.MAX_SAFE_INTEGER)}`)).toEqual(json(200, []))
})
