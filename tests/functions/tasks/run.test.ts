import { beforeEach, describe, expect, test } from 'vitest'
import { provideDispatcher } from '../../../functions/program.ts'
import { handler } from '../../../functions/tasks/run.ts'
import { db } from '../../../shared/db.ts'
import { aQueued, aRun, invalidFields, invalidParameter, json, problem } from '../../setup/expected.ts'
import { shownHistory } from '../../setup/history.ts'
import { call, callOffline, type HttpCall } from '../../setup/http-event.ts'
import { emptyTables, endOpen, insertOpen, insertTask, statementsWaiting } from '../../setup/rows.ts'
import { runHere, runNothingHere, tickAndRun, tickOnly } from '../../setup/scheduler.ts'

const request = { method: 'POST', path: '/tasks/{id}/run', pathParameters: { id: '1' } }
const run = (body?: unknown, more: Partial<HttpCall> = {}) =>
  call(handler, { ...request, ...(body !== undefined && { body }), ...more })

const later = { params: { duration: 0 }, next_run_at: '2999-01-01T00:00:00Z' }
const slept = { slept_seconds: 0 }
const open = problem('conflict', 'task 1 has an open execution; with overlap: queue, a run would follow it')

beforeEach(async () => {
  await emptyTables()
  runNothingHere()
})

test('starts a manual run immediately, without a tick, and leaves the schedule unchanged', async () => {
  await insertTask(later)
  const here = runHere()
  expect(await run()).toEqual(json(201, aQueued()))
  await here.ended()
  expect(await shownHistory()).toEqual([aRun({ result: slept })])
  expect(await db()`select next_run_at, runs, version from whole_tasks`).toEqual([
    { next_run_at: new Date(later.next_run_at), runs: 0, version: 1 },
  ])
})

test.for([
  ['no body', undefined],
  ['an empty body', ''],
  ['{}', '{}'],
  ['overlap: refuse', { overlap: 'refuse' }],
] as const)('rejects a second run while the first is open, given %s', async ([, body]) => {
  await insertTask(later)
  const headers = { 'content-type': 'application/json' }
  expect(await run(body, { headers })).toEqual(json(201, aQueued()))
  expect(await run(body, { headers })).toEqual(open)
})

test('handles an event that uses null for missing values', async () => {
  await insertTask(later)
  expect(await callOffline(handler, request)).toEqual(json(201, aQueued()))
})

test('a run waits for the next tick if this process has no free slots', async () => {
  await insertTask(later)
  await run()
  expect(await shownHistory()).toEqual([aQueued()])
  await tickAndRun()
  expect(await shownHistory()).toEqual([aRun({ result: slept })])
})

test('accepts a run that cannot be dispatched', async () => {
  await insertTask(later)
  const send = () => Promise.reject(new Error('the function does not exist'))
  provideDispatcher({ capacity: async () => ({ now: 0, ahead: 1 }), send })
  expect(await run()).toEqual(json(201, aQueued()))
})

test('runs a task that is paused and finished, and leaves it that way', async () => {
  const done = { schedule_type: 'once', interval_seconds: null, next_run_at: null }
  await insertTask({ ...later, ...done, paused_at: '2020-01-01T00:00:00Z' })
  const here = runHere()
  expect(await run()).toEqual(json(201, aQueued()))
  await here.ended()
  expect(await shownHistory()).toEqual([aRun({ result: slept })])
  expect(await db()`select next_run_at, paused_at is not null as paused from whole_tasks`).toEqual([
    { next_run_at: null, paused: true },
  ])
})

test('starts a run of a paused task at the next tick', async () => {
  await insertTask({ ...later, paused_at: '2020-01-01T00:00:00Z' })
  await run()
  await tickAndRun()
  expect(await shownHistory()).toEqual([aRun({ result: slept })])
})

describe('overlapping runs', () => {
  test.for(['queued', 'running'] as const)('rejects a run while an execution is %s', async (status) => {
    await insertTask(later)
    await insertOpen(status)
    expect(await run()).toEqual(open)
    expect(await shownHistory()).toHaveLength(1)
    expect(await db()`select run_queued_at from whole_tasks`).toEqual([{ run_queued_at: null }])
  })

  test('with overlap: queue, any number of requests lead to exactly one run after the open execution', async () => {
    await insertTask(later)
    await insertOpen('running')
    const answers = await Promise.all([1, 2, 3].map(() => run({ overlap: 'queue' })))
    expect(answers).toEqual(Array(3).fill(json(202, { queued: true })))
    await tickAndRun()
    expect(await shownHistory()).toHaveLength(1)
    await endOpen()
    await tickAndRun()
    expect(await shownHistory()).toEqual([expect.anything(), aRun({ id: expect.any(Number), result: slept })])
    await tickAndRun()
    expect(await shownHistory()).toHaveLength(2)
  })

  test('with overlap: queue, a request creates a run immediately if no execution is open', async () => {
    await insertTask(later)
    expect(await run({ overlap: 'queue' })).toEqual(json(201, aQueued()))
  })

  test('accepts only one of a hundred concurrent requests', async () => {
    await insertTask(later)
    const answers = await Promise.all(Array.from({ length: 100 }, () => run()))
    expect(answers.filter(({ statusCode }) => statusCode === 201)).toHaveLength(1)
    expect(answers.filter(({ statusCode }) => statusCode === 409)).toHaveLength(99)
    expect((await tickOnly()).ticked.claimed).toBe(1)
  })
})

test.for(['1', '2147483648', '9007199254740991'])('returns 404 for the unknown task %s', async (id) => {
  for (const overlap of ['refuse', 'queue']) {
    expect(await run({ overlap }, { pathParameters: { id } })).toEqual(
      problem('not_found', `task ${id} does not exist`),
    )
  }
})

test('returns 404 if the task is deleted during the request', async () => {
  await insertTask(later)
  const answer = await db().begin(async (tx) => {
    await tx`delete from tasks`
    const running = run()
    await statementsWaiting(1)
    return { running }
  })
  expect(await answer.running).toEqual(problem('not_found', 'task 1 does not exist'))
})

test('rejects invalid bodies and ids', async () => {
  const option = 'must be one of refuse, queue'
  expect(await run({ overlap: 'allow' })).toEqual(invalidFields(['#/overlap', option]))
  expect(await run({ now: true })).toEqual(invalidFields(['#/now', 'is unknown']))
  expect(await run('[]')).toEqual(invalidFields(['#', 'must be an object']))
  expect(await run('{')).toEqual(problem('invalid', 'Invalid or malformed JSON was provided'))
  expect(await run('{}', { headers: { 'content-type': 'text/plain' } })).toEqual(
    problem('unsupported_media_type', 'Unsupported Media Type'),
  )
  expect(await run({}, { pathParameters: { id: 'x' } })).toEqual(
    invalidParameter('id', 'must be a whole number'),
  )
})
