import { beforeEach, expect, test } from 'vitest'
import { handler } from '../../../functions/tasks/update.ts'
import { db } from '../../../shared/db.ts'
import { eventually } from '../../setup/eventually.ts'
import { invalidFields } from '../../setup/expected.ts'
import { call } from '../../setup/http-event.ts'
import { emptyTables, insertExecution, insertOpen, insertTask, nowPlus } from '../../setup/rows.ts'
import { tickAndRun, tickOnly } from '../../setup/scheduler.ts'

const patch = (body: unknown) =>
  call(handler, { method: 'PATCH', path: '/tasks/{id}', pathParameters: { id: '1' }, body })

const plus = (at: string, seconds: number) => new Date(Date.parse(at) + seconds * 1000).toISOString()
const quick = { params: { duration: 0 } }
const yearly = { schedule_type: 'cron', cron_expression: '@yearly' }

/** Patches the task and returns the new cursor. */
async function moved(body: unknown): Promise<string | null> {
  const { statusCode, body: task } = await call(handler, {
    method: 'PATCH',
    path: '/tasks/{id}',
    pathParameters: { id: '1' },
    body,
  })
  expect(statusCode, JSON.stringify(task)).toBe(200)
  return task.next_run_at
}

const occurrences = async () =>
  (await db()<{ at: Date }[]>`select scheduled_for as at from all_executions order by id`).map(({ at }) =>
    at.toISOString(),
  )

beforeEach(emptyTables)

test.for<[what: string, body: object]>([
  ['the interval', { interval_seconds: 7 }],
  ['the schedule type', yearly],
  ['the jitter', { jitter_seconds: 0 }],
  ['the end', { end_at: '2999-01-01T00:00:00Z' }],
])('a due occurrence keeps its scheduled_for and runs once after a change to %s', async ([, body]) => {
  const due = await nowPlus(-1)
  await insertTask({ ...quick, next_run_at: due, jitter_seconds: 0 })
  await patch(body)
  await tickAndRun()
  await tickAndRun()
  expect(await occurrences()).toEqual([due])
})

test.for<[what: string, body: object]>([
  ['the interval', { interval_seconds: 1000 }],
  ['the schedule type', yearly],
])('changing %s while an occurrence runs does not repeat that occurrence', async ([, body]) => {
  const ran = await nowPlus(-10)
  await insertTask({ next_run_at: plus(ran, 60) })
  await insertOpen('running', { scheduled_for: ran, due_at: ran })
  const next = await moved(body)
  expect(Date.parse(String(next))).toBeGreaterThan(Date.now())
  if (body !== undefined && 'interval_seconds' in body) expect(next).toBe(plus(ran, 1000))
  expect(await occurrences()).toEqual([ran])
})

test('shortening the interval moves the cursor to the next occurrence at the new rate', async () => {
  const ran = await nowPlus(-100)
  await insertTask({ next_run_at: plus(ran, 3600), interval_seconds: 3600 })
  await insertExecution(ran)
  expect(await moved({ interval_seconds: 30 })).toBe(plus(ran, 120))
})

test('changing the jitter does not lose an occurrence that the old jitter had delayed', async () => {
  const cursor = await nowPlus(3)
  await insertTask({
    ...yearly,
    interval_seconds: null,
    next_run_at: cursor,
    jitter_seconds: 86_400,
    name: 'j',
  })
  const at = Date.parse(String(await moved({ jitter_seconds: 0 })))
  expect(at).toBeLessThan(Date.parse(cursor))
  expect(at).toBeGreaterThanOrEqual(Date.parse(cursor) - 86_400_000)
  expect(new Date(String(await moved({ jitter_seconds: 86_400 }))).toISOString()).toBe(cursor)
})

test('removing the jitter of a `once` task restores its original next_run_at', async () => {
  const at = '2990-01-01T00:00:00.000Z'
  await insertTask({ schedule_type: 'once', interval_seconds: null, next_run_at: at })
  expect(await moved({ jitter_seconds: 3600 })).not.toBe(at)
  expect(await moved({ jitter_seconds: 0 })).toBe(at)
})

test('changing the time zone of a `once` task with jitter does not move its next run', async () => {
  const at = '2990-01-01T00:00:00.000Z'
  const once = { schedule_type: 'once', interval_seconds: null, jitter_seconds: 3600 }
  await insertTask({ ...once, next_run_at: at, timezone: 'UTC' })
  expect(await moved({ timezone: 'Asia/Tokyo' })).toBe(at)
})

test('changing end_at does not change a next_run_at that was set explicitly', async () => {
  const [ran, given] = [await nowPlus(-10), await nowPlus(86_400)]
  await insertTask({ next_run_at: given })
  await insertExecution(ran)
  expect(await moved({ end_at: plus(given, 1) })).toBe(given)
  expect(await moved({ end_at: null })).toBe(given)
})

const skips = async () =>
  await db()`select status, skip_reason, skipped_count from all_executions order by id`

test.for([
  ['in the future', 3600, []],
  ['due', -1, [{ status: 'skipped', skip_reason: 'ended', skipped_count: 1 }]],
] as const)('an end_at in the past stops all runs if the cursor is %s', async ([, seconds, left]) => {
  await insertTask({ ...quick, next_run_at: await nowPlus(seconds) })
  expect(await moved({ end_at: '2020-01-01T00:00:00Z' })).toBeNull()
  await tickAndRun()
  expect(await skips()).toEqual(left)
})

test('setting a later next_run_at records the occurrences that are already due as skipped', async () => {
  await insertTask({ ...quick, next_run_at: await nowPlus(-130) })
  await moved({ next_run_at: '2990-01-01T00:00:00Z' })
  expect(await skips()).toEqual([{ status: 'skipped', skip_reason: 'ended', skipped_count: 3 }])
})

test('removing an end_at that has passed continues the task at the same rate', async () => {
  const ran = await nowPlus(-90)
  await insertTask({ next_run_at: null, end_at: await nowPlus(-80) })
  await insertExecution(ran)
  expect(await moved({ end_at: null })).toBe(plus(ran, 120))
})

test('a new start_at skips earlier occurrences, even if one is already due', async () => {
  await insertTask({ ...quick, next_run_at: await nowPlus(-1) })
  expect(await moved({ start_at: '2990-01-01T00:00:00Z' })).toBe('2990-01-01T00:00:00.000Z')
  await tickAndRun()
  expect(await skips()).toEqual([{ status: 'skipped', skip_reason: 'ended', skipped_count: 1 }])
})

test.for([[3], [null]])(
  'changing max_runs to %s continues a task that had reached max_runs',
  async ([max_runs]) => {
    const ran = await nowPlus(-90)
    await insertTask({ next_run_at: null, max_runs: 2, runs: 2 })
    await insertExecution(ran)
    expect(await moved({ max_runs: 2 })).toBeNull()
    expect(await moved({ max_runs })).toBe(plus(ran, 120))
  },
)

test('setting next_run_at to an occurrence that was claimed ahead does not run that occurrence twice', async () => {
  const at = await nowPlus(0.8)
  await insertTask({ ...quick, next_run_at: at })
  const { claims } = await tickOnly(undefined, 1000)
  expect(claims).toHaveLength(1)
  const { statusCode, body } = await patch({ next_run_at: at, tags: ['moved'] })
  expect({ statusCode, body }).toMatchObject({ statusCode: 200, body: { next_run_at: at, tags: ['moved'] } })
  await eventually(async () => {
    await tickAndRun()
    expect(await db()`select status, scheduled_for from all_executions where status <> 'queued'`).toEqual([
      { status: 'success', scheduled_for: new Date(at) },
    ])
  })
})

test('rejects a next_run_at before start_at or after end_at', async () => {
  const bounds = { start_at: '2990-01-01T00:00:00Z', end_at: '2990-12-31T00:00:00Z' }
  await insertTask({ ...bounds, next_run_at: bounds.start_at })
  expect(await patch({ next_run_at: '2989-12-31' })).toEqual(
    invalidFields(['#/next_run_at', 'is before start_at']),
  )
  expect(await patch({ next_run_at: '2991-01-01' })).toEqual(
    invalidFields(['#/next_run_at', 'is after end_at']),
  )
  expect(await moved({ next_run_at: bounds.end_at })).toBe('2990-12-31T00:00:00.000Z')
})
