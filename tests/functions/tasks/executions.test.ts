import { beforeEach, describe, expect, test } from 'vitest'
import { handler } from '../../../functions/tasks/executions.ts'
import { anExecution, invalidParameter, json, problem } from '../../setup/expected.ts'
import { call } from '../../setup/http-event.ts'
import { cursorOf, walk } from '../../setup/pages.ts'
import { emptyTables, insertExecution, insertTask } from '../../setup/rows.ts'

const request = { method: 'GET', path: '/tasks/{id}/executions', pathParameters: { id: '1' } }

const list = (query = '', id = '1') => call(handler, { ...request, query, pathParameters: { id } })

const withIds = (...ids: number[]) => ids.map((id) => expect.objectContaining({ id }))

const day = (date: number) => `2027-03-${String(date).padStart(2, '0')}T00:00:00Z`

beforeEach(async () => {
  await emptyTables()
  await insertTask({ name: 'a' })
  await insertTask({ name: 'b' })
})

test("lists a task's executions, oldest first", async () => {
  await insertExecution(day(11), { status: 'failed', result: null, detail: 'no such host' })
  await insertExecution(day(10))
  await insertExecution(day(10), { task_id: 2 })
  const later = '2027-03-11T00:00:00.000Z'
  const failed = { status: 'failed', result: null, detail: 'no such host' }
  const times = { scheduled_for: later, due_at: later, started_at: later, finished_at: later }
  expect(await list()).toEqual(
    json(200, [anExecution({ id: 2 }), anExecution({ id: 1, ...failed, ...times })]),
  )
})

test('shows skipped occurrences and why they were skipped', async () => {
  const skipped = { skip_reason: 'overlap', skipped_count: 3 }
  const never = { started_at: null, result: null }
  await insertExecution(day(10), { status: 'skipped', ...never, ...skipped, skipped_until: day(12) })
  expect(await list()).toEqual(
    json(200, [
      anExecution({ status: 'skipped', ...never, ...skipped, skipped_until: '2027-03-12T00:00:00.000Z' }),
    ]),
  )
})

test('returns an empty list for a task without executions', async () => {
  expect(await list()).toEqual(json(200, []))
})

test.for(['3', '9007199254740991'])('returns 404 for the unknown task %s', async (id) => {
  expect(await list('', id)).toEqual(problem('not_found', `task ${id} does not exist`))
})

test.for(['x', '0x1', '1\n'])('rejects the id %j', async (id) => {
  expect(await list('', id)).toEqual(invalidParameter('id', 'must be a whole number'))
})

describe('paging', () => {
  beforeEach(async () => {
    for (const attempt of [1, 2, 3]) await insertExecution(day(11), { attempt })
    for (const date of [10, 12]) await insertExecution(day(date))
  })

  test('lists every execution exactly once, even if several have the same timestamp', async () => {
    const pages = await walk(handler, { ...request, query: 'limit=2' })
    expect(pages).toEqual([withIds(4, 1), withIds(2, 3), withIds(5)])
  })

  test('lists them in the opposite order, too', async () => {
    const pages = await walk(handler, { ...request, query: 'order=desc&limit=2' })
    expect(pages).toEqual([withIds(5, 3), withIds(2, 1), withIds(4)])
  })

  test('links to the next page with the same path and query', async () => {
    const response = await list('limit=1&status=success')
    const cursor = cursorOf(['2027-03-10T00:00:00.000Z', 4])
    const link = `</tasks/1/executions?limit=1&status=success&cursor=${cursor}>; rel="next"`
    expect(response).toEqual(json(200, [anExecution({ id: 4 })], { link }))
  })

  test('continues after the cursor, whatever id it contains', async () => {
    const cursor = (id: number) => `cursor=${cursorOf([day(11), id])}`
    expect((await list(cursor(Number.MAX_SAFE_INTEGER))).body).toEqual(withIds(5))
    expect((await list(cursor(Number.MIN_SAFE_INTEGER))).body).toEqual(withIds(1, 2, 3, 5))
  })
})

test.for([[1], [{}], [['soon', 1]], [['0001-01-01T00:00:00+14:00', 1]], [[day(10), 2 ** 53]]])(
  'rejects a cursor of %j',
  async ([keys]) => {
    expect(await list(`cursor=${cursorOf(keys)}`)).toEqual(
      invalidParameter('cursor', 'is not a cursor for this list'),
    )
  },
)

test.for([
  ['desc', [day(10), 1]],
  ['asc', ['desc', day(10), 1]],
])('rejects a cursor from another order than %s', async ([order, keys]) => {
  expect(await list(`order=${order}&cursor=${cursorOf(keys)}`)).toEqual(
    invalidParameter('cursor', 'is not a cursor for this list'),
  )
})

test('filters by status and by scheduled time', async () => {
  await insertExecution(day(10), { status: 'lost', result: null })
  await insertExecution(day(11))
  await insertExecution(day(12))
  expect((await list('status=lost')).body).toEqual(withIds(1))
  expect((await list('scheduled_from=2027-03-11')).body).toEqual(withIds(2, 3))
  expect((await list('scheduled_to=2027-03-12T00:00:00%2B00:00')).body).toEqual(withIds(1, 2))
})

test('rejects an unknown filter', async () => {
  expect(await list('task_id=1')).toEqual(invalidParameter('task_id', 'is unknown'))
})
