import { beforeEach, describe, expect, test } from 'vitest'
import { handler } from '../../../functions/executions/list.ts'
import { db } from '../../../shared/db.ts'
import { anExecution, json } from '../../setup/expected.ts'
import { call, callOffline } from '../../setup/http-event.ts'
import { cursorOf, walk } from '../../setup/pages.ts'
import { emptyTables, insertExecution, insertOpen, insertTask } from '../../setup/rows.ts'

const list = (query = '') => call(handler, { method: 'GET', path: '/executions', query })

const withIds = (...ids: number[]) => ids.map((id) => expect.objectContaining({ id }))

const EVERY_STATUS = ['queued', 'running', 'success', 'failed', 'timeout', 'lost', 'cancelled', 'skipped']

beforeEach(async () => {
  await emptyTables()
  await insertTask({ name: 'a' })
  await insertTask({ name: 'b' })
})

test('lists the executions of all tasks, newest first', async () => {
  await insertExecution('2027-03-10T00:00:00Z', { task_id: 2 })
  await insertExecution('2027-03-10T00:00:00Z', { trigger: 'manual' })
  expect(await list()).toEqual(
    json(200, [
      anExecution({ id: 2, trigger: 'manual' }),
      anExecution({ id: 1, task_id: 2, task_name: 'b' }),
    ]),
  )
})

test('shows a running execution without an end time', async () => {
  await insertOpen('running')
  const at = '2020-03-10T00:00:00.000Z'
  const open = {
    status: 'running',
    finished_at: null,
    result: null,
    scheduled_for: at,
    due_at: at,
    started_at: at,
  }
  expect(await list()).toEqual(json(200, [anExecution(open)]))
})

test('handles an event that uses null for missing values', async () => {
  expect(await callOffline(handler, { method: 'GET', path: '/executions' })).toEqual(json(200, []))
})

test('lists every execution exactly once across all pages', async () => {
  for (const date of [14, 13, 12, 11, 10]) await insertExecution(`2027-03-${date}T00:00:00Z`)
  const pages = await walk(handler, { method: 'GET', path: '/executions', query: 'limit=2' })
  expect(pages).toEqual([withIds(5, 4), withIds(3, 2), withIds(1)])
})

test('ends a page when its results reach a megabyte', async () => {
  const result = db().json({ body: 'a'.repeat(400_000) })
  for (const date of [14, 13, 12, 11]) await insertExecution(`2027-03-${date}T00:00:00Z`, { result })
  const pages = await walk(handler, { method: 'GET', path: '/executions', query: 'limit=6' })
  expect(pages).toMatchObject([[{ id: 4 }, { id: 3 }, { id: 2 }], [{ id: 1 }]])
})

test('links to the next page', async () => {
  await insertExecution('2027-03-10T00:00:00Z')
  const link = `</executions?limit=1&task_id=1&cursor=${cursorOf(1)}>; rel="next"`
  expect(await list('limit=1&task_id=1')).toEqual(json(200, [anExecution()], { link }))
})

describe('filters', () => {
  beforeEach(async () => {
    await insertExecution('2027-03-10T00:00:00Z')
    await insertExecution('2027-03-11T00:00:00Z', { status: 'timeout', result: null })
    await insertExecution('2027-03-12T00:00:00Z', { task_id: 2 })
  })

  test.for<[query: string, ids: number[]]>([
    ['task_id=1', [2, 1]],
    ['task_id=3', []],
    ['task_id=9007199254740991', []],
    ['status=timeout', [2]],
    ['status=queued', []],
    ['scheduled_from=2027-03-11T00:00:00', [3, 2]],
    ['scheduled_from=2027-03-11T00:00:00.001Z', [3]],
    ['scheduled_to=2027-03-11', [1]],
    ['scheduled_from=2027-03-11T01:00:00%2B01:00&scheduled_to=2027-03-12', [2]],
    ['scheduled_from=9999-12-31T23:59:59.999Z', []],
    ['scheduled_to=1000-01-01', []],
    ['task_id=1&status=success&limit=5', [1]],
    [`cursor=${cursorOf(3)}&task_id=1`, [2, 1]],
    [`cursor=${cursorOf(-1)}`, []],
    ['order=asc', [1, 2, 3]],
    [`order=asc&cursor=${cursorOf(['asc', 1])}&limit=1`, [2]],
  ])('%s', async ([query, ids]) => {
    const { statusCode, body } = await list(query)
    expect({ statusCode, body }).toEqual({ statusCode: 200, body: withIds(...ids) })
  })
})

describe('filters of failures, times and tasks', () => {
  const failed = (errorCode: string, given: object) => ({
    status: 'failed',
    error_code: errorCode,
    result: null,
    ...given,
  })

  beforeEach(async () => {
    await db()`update tasks set tags = '{night}', name = 'night job' where id = 2`
    await insertExecution('2027-03-10T02:00:00Z', failed('dns', { task_id: 2 }))
    await insertExecution('2027-03-10T03:00:00Z', {
      started_at: '2027-03-10T03:00:02Z',
      finished_at: '2027-03-10T03:00:05.500Z',
      trigger: 'manual',
    })
    await insertExecution('2027-03-10T04:00:00Z', { status: 'timeout', error_code: 'timeout', task_id: 2 })
    await insertExecution('2027-03-10T05:00:00Z', failed('http_status', {}))
    await insertExecution('2027-03-10T06:00:00Z', {
      status: 'skipped',
      started_at: null,
      skip_reason: 'overlap',
      skipped_until: '2027-03-10T06:00:00Z',
      skipped_count: 1,
    })
    await insertOpen('running', { task_id: 2, due_at: '2020-03-09T23:59:00Z' })
  })

  test.for<[query: string, ids: number[]]>([
    ['status=failed,timeout', [4, 3, 1]],
    ['status=failed&status=timeout', [4, 3, 1]],
    ['status=failed,failed', [4, 1]],
    ['status=failed,timeout&order=asc&limit=2', [1, 3]],
    ['status=success,running', [6, 2]],
    ['status=skipped,failed', [5, 4, 1]],
    ['status=failed,timeout,lost&finished_from=2027-03-10T03:00:00&finished_to=2027-03-10T05:00:00', [3]],
    ['status=failed&finished_from=2027-03-10&finished_to=2027-03-11&order=asc', [1, 4]],
    ['status=failed,timeout&tag=night', [3, 1]],
    ['status=failed&finished_from=2027-03-10&finished_to=2027-03-11&task_name_prefix=night', [1]],
    ['finished_from=2027-03-10T03:00:05.500', [5, 4, 3, 2]],
    ['finished_from=2027-03-10T03:00:05.501&finished_to=2027-03-10T05:00:00', [3]],
    ['started_from=2027-03-10T03:00:02&started_to=2027-03-10T05:00:00', [3, 2]],
    ['started_to=2021-01-01', [6]],
    ['error_code=dns', [1]],
    ['error_code=dns,http_status', [4, 1]],
    ['error_code=lost', []],
    ['trigger=manual', [2]],
    ['tag=night', [6, 3, 1]],
    ['tag=nigh', []],
    ['task_name_prefix=nig', [6, 3, 1]],
    ['task_name_prefix=', [6, 5, 4, 3, 2, 1]],
    ['min_late_ms=2000', [6, 2]],
    ['min_late_ms=2001', [6]],
    ['min_duration_ms=3500', [2]],
    ['min_duration_ms=3501', []],
  ])('%s', async ([query, ids]) => {
    const { statusCode, body } = await list(query)
    expect({ statusCode, body }).toEqual({ statusCode: 200, body: withIds(...ids) })
  })

  test('a row has the name of its task, how long it ran, and why it failed', async () => {
    const { body } = await list('limit=5&order=asc')
    expect(body).toMatchObject([
      { task_name: 'night job', duration_ms: 0, error_code: 'dns' },
      { task_name: 'a', duration_ms: 3500, error_code: null, late_ms: 2000 },
      { task_name: 'night job', error_code: 'timeout' },
      { task_name: 'a', error_code: 'http_status' },
      { task_name: 'a', duration_ms: null, error_code: null },
    ])
  })

  test.for(['asc', 'desc'])(
    'pages of several statuses in the order %s miss and repeat nothing',
    async (order) => {
      const query = `status=failed,timeout,skipped,running&limit=2&order=${order}`
      const pages = await walk(handler, { method: 'GET', path: '/executions', query })
      const ids = (pages.flat() as { id: number }[]).map(({ id }) => id)
      expect(ids).toEqual(order === 'asc' ? [1, 3, 4, 5, 6] : [6, 5, 4, 3, 1])
    },
  )
})

const notAnInstant = 'must be an ISO 8601 timestamp, such as 2027-03-28T01:00:00Z'

test.for<[query: string, parameter: string, detail: string]>([
  ['task_id=', 'task_id', 'must be a whole number'],
  ['task_id=1;drop table tasks', 'task_id', 'must be a whole number'],
  ['task_id=0', 'task_id', 'must be at least 1'],
  ['task_id=9007199254740992', 'task_id', 'must be at most 9007199254740991'],
  ['status=done', 'status', `must be one of ${EVERY_STATUS.join(', ')}`],
  ['status=failed,', 'status', expect.stringMatching(/^must be one of /)],
  ['error_code=oops', 'error_code', expect.stringMatching(/^must be one of /)],
  ['order=up', 'order', 'must be one of asc, desc'],
  ['min_late_ms=-1', 'min_late_ms', 'must be a whole number'],
  ['finished_to=now', 'finished_to', notAnInstant],
  ['scheduled_from=now', 'scheduled_from', notAnInstant],
  ['scheduled_from=2027-03-11T00:00:00+01:00', 'scheduled_from', notAnInstant],
  ['scheduled_to=9999-12-31T23:59:59-14:00', 'scheduled_to', notAnInstant],
  ['scheduled_to=0001-01-01T00:00:00%2B14:00', 'scheduled_to', notAnInstant],
  [`scheduled_to=${'2'.repeat(41)}`, 'scheduled_to', 'must have at most 40 characters'],
  ['limit=1001', 'limit', 'must be at most 1000'],
  [`cursor=${cursorOf(['2027-03-10T00:00:00Z', 1])}`, 'cursor', 'is not a cursor for this list'],
  [`order=asc&cursor=${cursorOf(1)}`, 'cursor', 'is not a cursor for this list'],
  [`cursor=${cursorOf(['asc', 1])}`, 'cursor', 'is not a cursor for this list'],
  ['paused=true', 'paused', 'is unknown'],
])('rejects ?%s', async ([query, parameter, detail]) => {
  const { statusCode, body } = await list(query)
  expect({ statusCode, errors: body.errors }).toEqual({
    statusCode: 422,
    errors: expect.arrayContaining([{ parameter, detail }]),
  })
})
