import { beforeEach, describe, expect, test } from 'vitest'
import { handler as createTask } from '../../../functions/tasks/create.ts'
import { handler as listTasks } from '../../../functions/tasks/list.ts'
import { db } from '../../../shared/db.ts'
import { aTask, etag, invalidFields, json } from '../../setup/expected.ts'
import { call, type HttpCall } from '../../setup/http-event.ts'
import { emptyTables } from '../../setup/rows.ts'

const minimal = { name: 'a', type: 'http', schedule_type: 'interval', interval_seconds: 60 }

const post = (body: unknown, more: Partial<HttpCall> = {}) =>
  call(createTask, { method: 'POST', path: '/tasks', body, ...more })

/** Returns the JSON of a task whose params.body is the given JSON. */
const withBody = (body: string) => JSON.stringify({ ...minimal, params: { body: '?' } }).replace('"?"', body)

const created = (body: unknown) =>
  json(201, aTask({ type: 'http', params: { body } }), { location: '/tasks/1', ...etag(1) })

/** Nested lists. In a task's params.body, the outermost is at level 3. */
const lists = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`

const tooDeep = invalidFields(['#', 'is nested deeper than 32 levels'])
const tooMany = invalidFields(['#', 'has more than 20000 values'])

beforeEach(emptyTables)

describe('the depth of a body', () => {
  test('may be 32 levels, and brackets in strings do not count', async () => {
    const body = `[${JSON.stringify(`\\"${'['.repeat(50)}`)},${lists(29)}]`
    expect(await post(withBody(body))).toEqual(created(JSON.parse(body)))
  })

  test.for([
    ['33 levels', withBody(lists(31))],
    ['40,000 levels', `${'{"a":'.repeat(40_000)}1${'}'.repeat(40_000)}`],
    ['130,000 levels that are never closed', '['.repeat(130_000)],
    ['33 levels after a string that ends in a backslash', withBody(`["\\\\",${lists(30)}]`)],
  ])('may not be %s', async ([, body]) => {
    expect(await post(body)).toEqual(tooDeep)
    expect(await post(body, { base64: true })).toEqual(tooDeep)
    expect(await db()`select from tasks`).toEqual([])
  })
})

describe('the number of values in a body', () => {
  // The task itself has six.
  const list = (length: number) => JSON.stringify(Array(length).fill(1))
  const fields = (length: number) => JSON.stringify(Object.fromEntries(Array(length).fill(1).entries()))

  test.for([list, fields])('may be 20,000', async (of) => {
    const body = of(19_994)
    expect(await post(withBody(body))).toEqual(created(JSON.parse(body)))
  })

  test.for([list, fields])('may not be 20,001', async (of) => {
    expect(await post(withBody(of(19_995)))).toEqual(tooMany)
  })
})

test('if two fields have the same name, the last one counts', async () => {
  const { body } = await post(`{"name":"b","type":"sleep",${JSON.stringify(minimal).slice(1)}`)
  expect(body).toMatchObject({ name: 'a', type: 'http' })
})

test('the name of an unknown field is not repeated in full if it is very long', async () => {
  const name = 'ü'.repeat(100_000)
  const { statusCode, body } = await post({ ...minimal, [name]: 1 })
  expect([statusCode, body.errors.length]).toEqual([422, 1])
  expect(body.errors[0].pointer).toHaveLength(1001)
  expect(JSON.stringify(body).length).toBeLessThan(3000)
})

test('the response to a query with a thousand unknown parameters lists only twenty of them', async () => {
  const query = Array.from({ length: 1000 }, (_, index) => `a${index}`).join('&')
  const { statusCode, body } = await call(listTasks, { method: 'GET', path: '/tasks', query })
  expect([statusCode, body.errors.length, body.detail.endsWith('; and 995 more')]).toEqual([422, 20, true])
})
