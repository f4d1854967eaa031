import { beforeEach, expect, test } from 'vitest'
import { handler } from '../../../functions/executions/cancel.ts'
import { db } from '../../../shared/db.ts'
import { Executor } from '../../../shared/scheduling/run/executor.ts'
import { anExecution, INSTANT, invalidParameter, json, problem } from '../../setup/expected.ts'
import { shownHistory } from '../../setup/history.ts'
import { call } from '../../setup/http-event.ts'
import { emptyTables, insertExecution, insertOpen, insertTask, nowPlus } from '../../setup/rows.ts'
import { newExecutor, tickOnly, until } from '../../setup/scheduler.ts'
import { startTarget } from '../../setup/target.ts'

const cancel = (id = '1') =>
  call(handler, { method: 'POST', path: '/executions/{id}/cancel', pathParameters: { id } })

const at = '2020-03-10T00:00:00.000Z'
const opened = (given: object) =>
  anExecution({
    scheduled_for: at,
    due_at: at,
    started_at: null,
    finished_at: null,
    result: null,
    cancel_requested_at: INSTANT,
    ...given,
  })

const cancelled = opened({
  status: 'cancelled',
  finished_at: INSTANT,
  detail: 'cancelled before it started',
  error_code: 'cancelled',
})

beforeEach(emptyTables)

test('cancels a queued execution immediately and does not retry it', async () => {
  await insertTask({ max_attempts: 3 })
  await insertOpen('queued')
  expect(await cancel()).toEqual(json(200, cancelled))
  expect((await tickOnly(new Date('2020-03-10T00:00:01Z'))).ticked.claimed).toBe(0)
  expect(await shownHistory()).toEqual([cancelled])
})

test('cancels an execution that is claimed but not started, so its worker cannot start it', async () => {
  await insertTask()
  await insertOpen('queued')
  const { claims } = await tickOnly(new Date('2020-03-10T00:00:01Z'))
  expect(claims).toHaveLength(1)
  expect(await cancel()).toEqual(json(200, cancelled))
  for (const claim of claims) await newExecutor().execute(claim, 1000)
  expect(await shownHistory()).toEqual([cancelled])
})

test('stops a running execution at the next heartbeat and does not retry it', async () => {
  await insertTask({ params: { duration: 3600 }, max_attempts: 3, next_run_at: await nowPlus(0) })
  const executor = new Executor(db(), { leaseSeconds: 1.5, defaultTimeoutSeconds: 3600, maxRunning: 10 })
  const { claims } = await tickOnly()
  const work = claims.map((claim) => executor.execute(claim, 3_600_000))
  await until(async () => (await db()`select from all_executions where status = 'running'`).length === 1)
  const running = {
    scheduled_for: INSTANT,
    due_at: INSTANT,
    started_at: INSTANT,
    cancel_requested_at: INSTANT,
  }
  expect(await cancel()).toEqual(json(200, opened({ ...running, status: 'running' })))
  await Promise.all(work)
  const stopped = {
    status: 'cancelled',
    finished_at: INSTANT,
    detail: 'stopped on request',
    error_code: 'cancelled',
  }
  expect(await shownHistory()).toEqual([opened({ ...running, ...stopped })])
  expect(await db()`select consecutive_failures, paused_at from whole_tasks`).toEqual([
    { consecutive_failures: 0, paused_at: null },
  ])
})

test('does not retry an execution that fails before its worker notices the cancellation', async () => {
  const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>()
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>()
  await using target = await startTarget(async (response) => {
    arrive()
    await asked
    response.writeHead(500).end()
  })
  await insertTask({
    type: 'http',
    params: { url: target.url },
    max_attempts: 3,
    next_run_at: await nowPlus(-1),
  })
  const { claims } = await tickOnly()
  const work = claims.map((claim) => newExecutor().execute(claim, 3_600_000))
  await arrived
  expect((await cancel()).body).toEqual(expect.objectContaining({ status: 'running' }))
  ask()
  await Promise.all(work)
  expect(
    await db()`select status, attempt, cancel_requested_at is not null as asked from all_executions`,
  ).toEqual([{ status: 'failed', attempt: 1, asked: true }])
})

test('a second request to cancel a running execution does not overwrite the time of the first', async () => {
  await insertTask()
  await insertOpen('running')
  const first = await cancel()
  expect(first).toEqual(json(200, opened({ status: 'running', started_at: at })))
  expect(await cancel()).toEqual(first)
})

test.for(['success', 'failed', 'timeout', 'lost', 'cancelled'])(
  'refuses to cancel an execution with status %s',
  async (status) => {
    await insertTask()
    await insertExecution(at, { status })
    expect(await cancel()).toEqual(problem('conflict', `execution 1 has already ended: ${status}`))
    expect(await shownHistory()).toEqual([
      anExecution({ status, scheduled_for: at, due_at: at, started_at: at, finished_at: at }),
    ])
  },
)

test.for(['1', '9007199254740991'])('returns 404 for the unknown execution %s', async (id) => {
  expect(await cancel(id)).toEqual(problem('not_found', `execution ${id} does not exist`))
})

test('rejects a malformed id', async () => {
  expect(await cancel('x')).toEqual(invalidParameter('id', 'must be a whole number'))
})
