import { beforeEach, expect, test } from 'vitest'
import { handler } from '../../../functions/tasks/pause.ts'
import { db } from '../../../shared/db.ts'
import { anExecution, aTask, etag, INSTANT, invalidFields, json, problem } from '../../setup/expected.ts'
import { shownHistory } from '../../setup/history.ts'
import { call, callOffline, type HttpCall } from '../../setup/http-event.ts'
import { emptyTables, insertOpen, insertTask, nowPlus } from '../../setup/rows.ts'
import { newExecutor, tickAndRun, tickOnly } from '../../setup/scheduler.ts'

const request = { method: 'POST', path: '/tasks/{id}/pause', pathParameters: { id: '1' } }
const pause = (body?: unknown, more: Partial<HttpCall> = {}) =>
  call(handler, { ...request, ...(body !== undefined && { body }), ...more })

const at = '2999-01-01T00:00:00.000Z'
const due = { next_run_at: '2020-01-01T00:00:00.000Z', params: { duration: 0 } }

const paused = (given: object = {}) =>
  json(200, aTask({ next_run_at: at, paused_at: INSTANT, version: 2, ...given }), etag(2))

const left = (given: object) =>
  anExecution({
    scheduled_for: '2020-03-10T00:00:00.000Z',
    due_at: '2020-03-10T00:00:00.000Z',
    started_at: null,
    finished_at: null,
    result: null,
    ...given,
  })

beforeEach(emptyTables)

test('pauses a task until it is resumed, and stores the reason', async () => {
  await insertTask({ next_run_at: at })
  expect(await pause({ reason: 'the target moves' })).toEqual(paused({ pause_reason: 'the target moves' }))
})

test.for([
  ['no body', undefined],
  ['an empty body', ''],
  ['{}', '{}'],
  ['nulls', { until: null, reason: null }],
] as const)('uses the defaults for %s', async ([, body]) => {
  await insertTask({ next_run_at: at })
  expect(await pause(body, { headers: { 'content-type': 'application/json' } })).toEqual(paused())
})

test('handles an event that uses null for missing values', async () => {
  await insertTask({ next_run_at: at })
  expect(await callOffline(handler, request)).toEqual(paused())
})

test('a tick does not claim a paused task, but claims other due tasks', async () => {
  await insertTask({ ...due, name: 'a' })
  await insertTask({ ...due, name: 'b' })
  await pause()
  await tickAndRun()
  expect(await db()`select distinct task_id from all_executions`).toEqual([{ task_id: 2 }])
})

test('cancels a queued execution and records why', async () => {
  await insertTask(due)
  await insertOpen('queued', { attempt: 2 })
  await pause()
  const cancelled = {
    status: 'cancelled',
    attempt: 2,
    finished_at: INSTANT,
    detail: 'the task was paused',
    error_code: 'paused',
  }
  expect(await shownHistory()).toEqual([left(cancelled)])
})

test('cancels an execution that is claimed but not started, so its worker cannot start it', async () => {
  await insertTask({ next_run_at: await nowPlus(-1) })
  const { claims } = await tickOnly()
  await pause()
  for (const claim of claims) await newExecutor().execute(claim, 1000)
  expect(claims).toHaveLength(1)
  expect(await db()`select status, detail, started_at from all_executions`).toEqual([
    { status: 'cancelled', detail: 'the task was paused', started_at: null },
  ])
})

test('does not cancel manual runs or running executions', async () => {
  await insertTask({ name: 'a', next_run_at: at })
  await insertTask({ name: 'b', next_run_at: at })
  await insertOpen('queued', { trigger: 'manual' })
  await insertOpen('running', { task_id: 2 })
  await pause()
  await pause(undefined, { pathParameters: { id: '2' } })
  expect(await db()`select status from all_executions order by id`).toEqual([
    { status: 'queued' },
    { status: 'running' },
  ])
})

test('a tick resumes the task at `until` and skips the occurrences that became due during the pause', async () => {
  await insertTask({ ...due, interval_seconds: 1_000_000_000 })
  const until = '2999-01-01T00:00:00.000Z'
  expect(await pause({ until })).toEqual(
    paused({ ...due, interval_seconds: 1_000_000_000, paused_until: until }),
  )
  await tickOnly()
  expect(await db()`select paused_at is not null as paused from whole_tasks`).toEqual([{ paused: true }])
  await db()`update task_state set paused_until = now() - interval '1 millisecond'`
  const { ticked } = await tickOnly()
  expect(ticked.claimed).toBe(0)
  expect(await shownHistory()).toEqual([
    left({
      status: 'skipped',
      scheduled_for: due.next_run_at,
      due_at: due.next_run_at,
      finished_at: INSTANT,
      skip_reason: 'paused',
      skipped_until: due.next_run_at,
      skipped_count: 1,
    }),
  ])
  const [task] = await db()`select paused_at, paused_until, next_run_at, version from whole_tasks`
  expect(task).toEqual({
    paused_at: null,
    paused_until: null,
    next_run_at: new Date(Date.parse(due.next_run_at) + 1e12),
    version: 3,
  })
})

test('pausing a paused task keeps its paused_at, and replaces paused_until and pause_reason', async () => {
  const first = '2020-01-01T00:00:00.000Z'
  await insertTask({ next_run_at: at, paused_at: first, paused_until: at, pause_reason: 'old' })
  expect(await pause({ reason: 'new' })).toEqual(paused({ paused_at: first, pause_reason: 'new' }))
})

test('returns 404 for a task that does not exist', async () => {
  expect(await pause()).toEqual(problem('not_found', 'task 1 does not exist'))
  expect(await pause({}, { pathParameters: { id: '9007199254740991' } })).toEqual(
    problem('not_found', 'task 9007199254740991 does not exist'),
  )
})

test.for<[body: object, pointer: string, detail: string]>([
  [{ until: 'tomorrow' }, '#/until', 'must be an ISO 8601 timestamp, such as 2027-03-28T01:00:00Z'],
  [{ until: 1 }, '#/until', 'must be a string'],
  [{ reason: 'x'.repeat(501) }, '#/reason', 'must have at most 500 characters'],
  [{ reason: 'a\0' }, '#/reason', 'contains a NUL character'],
  [{ reason: 'a\u202eb' }, '#/reason', 'contains U+202E, which reorders the text around it'],
  [{ for: 60 }, '#/for', 'is unknown'],
])('rejects %j', async ([body, pointer, detail]) => {
  await insertTask()
  expect(await pause(body)).toEqual(invalidFields([pointer, detail]))
  expect(await db()`select paused_at from whole_tasks`).toEqual([{ paused_at: null }])
})
