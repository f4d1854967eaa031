import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { handler as createTask } from '../../../functions/tasks/create.ts'
import { handler as putTask } from '../../../functions/tasks/put-by-name.ts'
import { handler as runTask } from '../../../functions/tasks/run.ts'
import { handler as updateTask } from '../../../functions/tasks/update.ts'
import { db } from '../../../shared/db.ts'
import { invalidFields, problem } from '../../setup/expected.ts'
import { shownHistory } from '../../setup/history.ts'
import { call } from '../../setup/http-event.ts'
import { emptyTables, insertTask } from '../../setup/rows.ts'
import { runNothingHere, tickAndRun } from '../../setup/scheduler.ts'

// Runs before the imports, which read the settings.
vi.hoisted(() => {
  Object.assign(process.env, {
    MIN_INTERVAL_SECONDS: '60',
    MAX_TIMEOUT_SECONDS: '100',
    MAX_PARAMS_BYTES: '40',
    MAX_TASKS: '3',
  })
})

const minimal = { type: 'http', schedule_type: 'interval', interval_seconds: 60 }
const pathParameters = { id: '1' }

const post = (body: object) =>
  call(createTask, { method: 'POST', path: '/tasks', body: { name: 'a', ...minimal, ...body } })
const patch = (body: object) =>
  call(updateTask, { method: 'PATCH', path: '/tasks/{id}', pathParameters, body })
const put = (body: object, name = 'a') =>
  call(putTask, {
    method: 'PUT',
    path: '/tasks/by-name/{name}',
    pathParameters: { name },
    body: { ...minimal, ...body },
  })

const count = async () => (await db()`select from tasks`).length

beforeEach(emptyTables)

const cron = (expression: string) => ({
  schedule_type: 'cron',
  interval_seconds: null,
  cron_expression: expression,
})

type Limit = [what: string, allowed: object, refused: object, pointer: string, detail: string]

const limits: Limit[] = [
  [
    'an interval',
    { interval_seconds: 60 },
    { interval_seconds: 59 },
    '#/interval_seconds',
    'must be at least 60 (MIN_INTERVAL_SECONDS)',
  ],
  [
    'a cron expression',
    cron('* * * * *'),
    cron('0,30 0 * * * *'),
    '#/cron_expression',
    'runs 30 seconds apart; at least 60 are required (MIN_INTERVAL_SECONDS)',
  ],
  [
    'a timeout',
    { timeout_seconds: 100 },
    { timeout_seconds: 100.5 },
    '#/timeout_seconds',
    'must be at most 100 (MAX_TIMEOUT_SECONDS)',
  ],
  [
    'the size of params',
    { params: { body: `${'ü'.repeat(14)}x` } },
    { params: { body: 'ü'.repeat(15) } },
    '#/params',
    'has 41 bytes; at most 40 are allowed (MAX_PARAMS_BYTES)',
  ],
]

describe.for(limits)('%s', ([, allowed, refused, pointer, detail]) => {
  const wrong = invalidFields([pointer, detail])

  test('is limited whenever a task is created, declared or changed', async () => {
    expect([await post(refused), await put(refused)]).toEqual([wrong, wrong])
    expect(await count()).toBe(0)
    expect(await post(allowed)).toMatchObject({ statusCode: 201, body: allowed })
    expect([await patch(refused), await put(refused)]).toEqual([wrong, wrong])
    expect(await patch({ tags: ['x'] })).toMatchObject({ statusCode: 200, body: { ...allowed, version: 2 } })
  })

  test('may exceed a lowered limit if it is already stored, and other fields can be changed', async () => {
    await insertTask({ ...minimal, ...stored(refused) })
    expect(await patch({ max_attempts: 2 })).toMatchObject({ body: { ...refused, version: 2 } })
    expect(await put({ ...refused, max_attempts: 3 })).toMatchObject({ body: { ...refused, version: 3 } })
    expect(await patch({ ...refused, max_attempts: 4 })).toMatchObject({ body: { ...refused, version: 4 } })
    expect(await patch(allowed)).toMatchObject({ body: { ...allowed, version: 5 } })
    expect(await patch(refused)).toEqual(wrong)
  })
})

/** Returns a task's fields as values for its columns. */
const stored = (fields: { params?: Record<string, string> }) =>
  fields.params ? { ...fields, params: db().json(fields.params) } : fields

test('a stored task that exceeds every limit still runs', async () => {
  const target = createServer((_request, response) => response.end()).listen(0, '127.0.0.1')
  await once(target, 'listening')
  const headers = Object.fromEntries(Array.from({ length: 101 }, (_, index) => [`x-${index}`, 'a']))
  await insertTask({
    type: 'http',
    interval_seconds: 1,
    timeout_seconds: 1000,
    params: db().json({
      url: `http://127.0.0.1:${(target.address() as AddressInfo).port}/`,
      headers,
      expected_status: Array(501).fill(200),
    }),
    next_run_at: '2020-03-10T00:00:00Z',
  })
  await tickAndRun()
  target.close()
  expect(await shownHistory()).toContainEqual(expect.objectContaining({ status: 'success', attempt: 1 }))
})

describe('the number of tasks', () => {
  const full = problem('invalid', 'there are already 3 tasks, the maximum (MAX_TASKS)')

  beforeEach(async () => {
    for (const name of ['a', 'b', 'c']) await insertTask({ name, type: 'http' })
    runNothingHere()
  })

  test('is limited, however a task is created', async () => {
    expect([await post({ name: 'd' }), await put({}, 'd')]).toEqual([full, full])
    expect(await count()).toBe(3)
  })

  test('does not affect existing tasks', async () => {
    expect(await post({})).toEqual(problem('conflict', 'a task named "a" already exists'))
    expect(await put({ tags: ['x'] })).toMatchObject({ statusCode: 200, body: { tags: ['x'] } })
    expect(await patch({ tags: [] })).toMatchObject({ statusCode: 200 })
    expect(await call(runTask, { method: 'POST', path: '/tasks/{id}/run', pathParameters })).toMatchObject({
      statusCode: 201,
    })
  })

  test('allows another task once one is deleted', async () => {
    await db()`delete from tasks where name = 'b'`
    expect(await post({ name: 'd' })).toMatchObject({ statusCode: 201 })
  })

  test('is limited exactly, even if requests are concurrent', async () => {
    await emptyTables()
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        index % 2 === 0 ? post({ name: `task ${index}` }) : put({}, `task ${index}`),
      ),
    )
    const statuses = answers.map(({ statusCode }) => statusCode).toSorted()
    expect(statuses).toEqual([...Array(3).fill(201), ...Array(17).fill(422)])
    expect(await count()).toBe(3)
  })

  test('does not prevent concurrent requests from declaring the same last task', async () => {
    await db()`delete from tasks where name = 'c'`
    const answers = await Promise.all(Array.from({ length: 10 }, () => put({}, 'same')))
    expect(answers.map(({ statusCode }) => statusCode).toSorted()).toEqual([...Array(9).fill(200), 201])
  })
})
