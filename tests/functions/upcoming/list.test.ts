import { beforeEach, expect, test } from 'vitest'
import { handler } from '../../../functions/upcoming/list.ts'
import { aTask, invalidParameter, json } from '../../setup/expected.ts'
import { call } from '../../setup/http-event.ts'
import { cursorOf, walk } from '../../setup/pages.ts'
import { emptyTables, insertTask } from '../../setup/rows.ts'

const list = (query = '') => call(handler, { method: 'GET', path: '/upcoming', query })

const named = (...names: string[]) => names.map((name) => expect.objectContaining({ name }))

beforeEach(emptyTables)

test('lists tasks by their next run, soonest first', async () => {
  const once = { schedule_type: 'once', interval_seconds: null }
  await insertTask({ name: 'later', next_run_at: '2027-03-11T00:00:00Z' })
  await insertTask({ name: 'sooner', next_run_at: '2027-03-10T00:00:00Z' })
  await insertTask({ name: 'done', ...once, next_run_at: null })
  await insertTask({ name: 'paused', paused_at: '2027-03-09T00:00:00Z' })
  expect(await list()).toEqual(
    json(200, [
      aTask({ id: 2, name: 'sooner', next_run_at: '2027-03-10T00:00:00.000Z' }),
      aTask({ id: 1, name: 'later', next_run_at: '2027-03-11T00:00:00.000Z' }),
    ]),
  )
})

test('lists every task exactly once across all pages, even if due times are equal', async () => {
  for (const name of ['a', 'b', 'c']) await insertTask({ name })
  await insertTask({ name: 'sooner', next_run_at: '2027-03-09T23:59:59.999Z' })
  const pages = await walk(handler, { method: 'GET', path: '/upcoming', query: 'limit=2' })
  expect(pages).toEqual([named('sooner', 'a'), named('b', 'c'), []])
})

test('links to the next page', async () => {
  await insertTask()
  const link = `</upcoming?limit=1&cursor=${cursorOf(['2027-03-10T00:00:00.000Z', 1])}>; rel="next"`
  expect(await list('limit=1')).toEqual(json(200, [aTask()], { link }))
})

test.for([
  [Number.MAX_SAFE_INTEGER, []],
  [-Number.MAX_SAFE_INTEGER, ['a']],
] as [number, string[]][])('accepts a cursor with any id, even %s', async ([id, names]) => {
  await insertTask()
  const { statusCode, body } = await list(`cursor=${cursorOf(['2027-03-10T00:00:00Z', id])}`)
  expect({ statusCode, body }).toEqual({ statusCode: 200, body: named(...names) })
})

test.for([
  [1],
  [['2027-03-10T00:00:00Z']],
  [['soon', 1]],
  [['0001-01-01T00:00:00+14:00', 1]],
  [['2027-03-10T00:00:00Z', 1, 1]],
])('rejects a cursor of %j', async ([keys]) => {
  expect(await list(`cursor=${cursorOf(keys)}`)).toEqual(
    invalidParameter('cursor', 'is not a cursor for this list'),
  )
})

test('rejects an unknown filter', async () => {
  expect(await list('type=sleep')).toEqual(invalidParameter('type', 'is unknown'))
})
