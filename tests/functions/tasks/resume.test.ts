import { beforeEach, describe, expect, test } from 'vitest'
import { handler } from '../../../functions/tasks/resume.ts'
import { db } from '../../../shared/db.ts'
import {
  anExecution,
  aRun,
  aTask,
  etag,
  INSTANT,
  invalidFields,
  json,
  problem,
} from '../../setup/expected.ts'
import { shownHistory } from '../../setup/history.ts'
import { call, callOffline, type HttpCall } from '../../setup/http-event.ts'
import { emptyTables, insertTask, nowPlus } from '../../setup/rows.ts'
import { tickAndRun, tickOnly } from '../../setup/scheduler.ts'

const request = { method: 'POST', path: '/tasks/{id}/resume', pathParameters: { id: '1' } }
const resume = (body?: unknown, more: Partial<HttpCall> = {}) =>
  call(handler, { ...request, ...(body !== undefined && { body }), ...more })

const resumed = (given: object = {}) => json(200, aTask({ version: 2, ...given }), etag(2))

const paused = { paused_at: '2020-01-01T00:00:00Z' }
const at = '2999-01-01T00:00:00.000Z'
const plus = (instant: string, seconds: number) =>
  new Date(Date.parse(instant) + seconds * 1000).toISOString()

const skipped = (first: string, last: string, count: number, given: object = {}) =>
  anExecution({
    status: 'skipped',
    scheduled_for: first,
    due_at: first,
    started_at: null,
    finished_at: INSTANT,
    result: null,
    skip_reason: 'paused',
    skipped_until: last,
    skipped_count: count,
    ...given,
  })

beforeEach(emptyTables)

test.for([
  ['no body', undefined],
  ['an empty body', ''],
  ['{}', '{}'],
  ['missed: skip', { missed: 'skip' }],
] as const)(
  'records all occurrences missed during the pause in one skipped row, given %s',
  async ([, body]) => {
    const first = await nowPlus(-150)
    await insertTask({ ...paused, next_run_at: first })
    const response = await resume(body, { headers: { 'content-type': 'application/json' } })
    expect(response).toEqual(resumed({ next_run_at: plus(first, 180) }))
    expect(await shownHistory()).toEqual([skipped(first, plus(first, 120), 3)])
    expect((await tickOnly()).ticked.claimed).toBe(0)
  },
)

test('handles an event that uses null for missing values', async () => {
  await insertTask({ ...paused, next_run_at: at })
  expect(await callOffline(handler, request)).toEqual(resumed({ next_run_at: at }))
})

test('clears the pause reason and the count of consecutive failures', async () => {
  const why = { paused_until: at, pause_reason: 'failed 2 times in a row', consecutive_failures: 2 }
  await insertTask({ ...paused, ...why, next_run_at: at })
  expect(await resume()).toEqual(resumed({ next_run_at: at }))
  expect(await shownHistory()).toEqual([])
})

describe('with missed: skip', () => {
  test('jitter does not shift the skipped occurrences', async () => {
    const first = await nowPlus(-150)
    await insertTask({ ...paused, next_run_at: first, jitter_seconds: 50 })
    expect((await resume()).body.next_run_at).toBe(plus(first, 180))
    const [row] = await db()<[{ jitter: number; until: number }]>`
      select extract(epoch from ${first}::timestamptz - scheduled_for)::float8 as jitter,
        extract(epoch from skipped_until - scheduled_for)::float8 as until
      from all_executions`
    expect(row.jitter).toBeGreaterThan(0)
    expect(row.jitter).toBeLessThan(50)
    expect(row.until).toBe(120)
  })

  test('a cron task continues at its next occurrence', async () => {
    const yearly = { schedule_type: 'cron', interval_seconds: null, cron_expression: '0 0 1 1 *' }
    await insertTask({ ...paused, ...yearly, next_run_at: '2020-01-01T00:00:00Z' })
    const next = expect.stringMatching(/^20\d\d-01-01T00:00:00\.000Z$/)
    expect(await resume()).toEqual(resumed({ ...yearly, next_run_at: next }))
    const [{ now }] = await db()<[{ now: Date }]>`select now()`
    const last = `${now.getUTCFullYear()}-01-01T00:00:00.000Z`
    expect(await shownHistory()).toEqual([
      skipped('2020-01-01T00:00:00.000Z', last, now.getUTCFullYear() - 2019),
    ])
  })

  test('finishes a `once` task whose occurrence was missed', async () => {
    const once = { schedule_type: 'once', interval_seconds: null }
    await insertTask({ ...paused, ...once, next_run_at: '2020-01-01T00:00:00Z' })
    expect(await resume()).toEqual(resumed({ ...once, next_run_at: null }))
    expect(await shownHistory()).toEqual([skipped('2020-01-01T00:00:00.000Z', '2020-01-01T00:00:00.000Z', 1)])
  })

  test('finishes a task whose schedule ended during the pause', async () => {
    const first = await nowPlus(-150)
    await insertTask({ ...paused, next_run_at: first, end_at: plus(first, 60) })
    expect(await resume()).toEqual(resumed({ end_at: plus(first, 60), next_run_at: null }))
    expect(await shownHistory()).toEqual([skipped(first, plus(first, 60), 2)])
  })

  test('two concurrent requests record skipped occurrences only once', async () => {
    const first = await nowPlus(-150)
    await insertTask({ ...paused, next_run_at: first })
    const answers = await Promise.all([resume(), resume()])
    const expected = resumed({ next_run_at: plus(first, 180) })
    expect(answers).toEqual([expected, expected])
    expect(await shownHistory()).toEqual([skipped(first, plus(first, 120), 3)])
  })
})

describe('with missed: policy', () => {
  const policy = { missed: 'policy' }

  test('the misfire policy decides what happens to missed occurrences', async () => {
    const first = await nowPlus(-150)
    await insertTask({ ...paused, next_run_at: first, params: { duration: 0 } })
    expect(await resume(policy)).toEqual(resumed({ next_run_at: first, params: { duration: 0 } }))
    expect(await shownHistory()).toEqual([])
    await tickAndRun()
    expect(await shownHistory()).toEqual([
      skipped(first, plus(first, 60), 2, { id: expect.any(Number), skip_reason: 'misfire' }),
      aRun({
        id: expect.any(Number),
        scheduled_for: plus(first, 120),
        due_at: plus(first, 120),
        trigger: 'schedule',
        result: { slept_seconds: 0 },
        late_ms: expect.any(Number),
        late_reason: 'catch_up',
      }),
    ])
  })

  test('a `once` task whose occurrence was missed runs late', async () => {
    const once = { schedule_type: 'once', interval_seconds: null, next_run_at: '2020-01-01T00:00:00.000Z' }
    await insertTask({ ...paused, ...once })
    expect(await resume(policy)).toEqual(resumed(once))
    expect((await tickOnly()).ticked.claimed).toBe(1)
  })
})

test.for(['skip', 'policy'])('with missed: %s, changes nothing if the task is not paused', async (missed) => {
  const next_run_at = '2020-01-01T00:00:00.000Z'
  await insertTask({ next_run_at, consecutive_failures: 1 })
  expect(await resume({ missed })).toEqual(
    json(200, aTask({ next_run_at, consecutive_failures: 1 }), etag(1)),
  )
  expect(await shownHistory()).toEqual([])
})

test('a tick leaves a task with an unreadable schedule paused, stores why, and claims other tasks', async () => {
  const unreadable = { schedule_type: 'cron', interval_seconds: null, cron_expression: 'not cron' }
  const past = '2020-01-01T00:00:00Z'
  await insertTask({ ...unreadable, ...paused, name: 'a', paused_until: past, next_run_at: past })
  await insertTask({ name: 'b', next_run_at: await nowPlus(-1) })
  expect((await tickOnly()).ticked.claimed).toBe(1)
  const [task] = await db()`select paused_until, pause_reason from whole_tasks where name = 'a'`
  expect(task).toEqual({
    paused_until: null,
    pause_reason: expect.stringMatching(/^unreadable schedule: #\/cron_expression: /),
  })
})

test('rejects unknown tasks, values and fields', async () => {
  expect(await resume()).toEqual(problem('not_found', 'task 1 does not exist'))
  await insertTask(paused)
  expect(await resume({ missed: 'all' })).toEqual(invalidFields(['#/missed', 'must be one of skip, policy']))
  expect(await resume({ until: at })).toEqual(invalidFields(['#/until', 'is unknown']))
})
