import '../setup/doctor.ts'
import { beforeEach, expect, test } from 'vitest'
import { db } from '../../shared/db.ts'
import { resumeDue } from '../../shared/scheduling/control/pause.ts'
import { changeTasks, emptyTables, insertTask, statementsWaiting } from '../setup/rows.ts'
import { historyOf, newExecutor, tickAndRun, tickOnly, until } from '../setup/scheduler.ts'

beforeEach(emptyTables)

const DUE = new Date('2027-03-10T00:00:00.400Z')
const quick = { params: { duration: 0 } }

test('a due task is claimed, run and settled, and its cursor moves when it is claimed', async () => {
  await insertTask(quick)
  const { claims } = await tickOnly(DUE)
  const [claimed] = await historyOf(1)
  expect(claimed).toMatchObject({ status: 'queued', attempt: 1, trigger: 'schedule', started_at: null })
  const [task] = await db()`select next_run_at from whole_tasks`
  expect(task).toEqual({ next_run_at: new Date('2027-03-10T00:01:00Z') })

  for (const claim of claims) await newExecutor().execute(claim, 1000)
  const [settled, ...others] = await historyOf(1)
  expect(others).toEqual([])
  expect(settled).toMatchObject({
    status: 'success',
    scheduled_for: new Date('2027-03-10T00:00:00Z'),
    result: { slept_seconds: 0 },
    detail: null,
  })
})

test('nothing is claimed before it is due', async () => {
  await insertTask(quick)
  const { ticked } = await tickOnly(new Date('2027-03-09T23:59:59.999Z'))
  expect(ticked).toEqual({ lost: 0, freed: 0, paused: 0, claimed: 0, claimIds: [] })
})

test('an execution whose claim is delivered twice runs once', async () => {
  await insertTask({ type: 'counter' })
  const { claims } = await tickOnly(DUE)
  const [claim] = claims
  if (!claim) throw new Error('nothing was claimed')
  await Promise.all([newExecutor().execute(claim, 1000), newExecutor().execute(claim, 1000)])
  const [task] = await db()`select params from whole_tasks`
  expect(task).toEqual({ params: { count: 1 } })
})

test('a claim counts toward the load as soon as it is accepted, and no longer counts once it is abandoned', async () => {
  await insertTask(quick)
  const [claim] = (await tickOnly(DUE)).claims
  if (!claim) throw new Error('nothing was claimed')
  const executor = newExecutor()
  executor.accept(claim)
  expect([executor.load, executor.accepted(claim.id)]).toEqual([1, claim])
  executor.abandon(claim.id)
  expect([executor.load, executor.accepted(claim.id)]).toEqual([0, undefined])
  await executor.drain(60_000, new AbortController().signal)
  expect(await historyOf(1)).toMatchObject([{ status: 'queued' }])
  expect(await db()`select id from claims`).toEqual([{ id: claim.id }])
})

test('if a runner throws, the execution fails with the error message as its detail', async () => {
  await insertTask({ type: 'http', params: { url: 'http://127.0.0.1:1/' } })
  await tickAndRun(DUE)
  const [execution] = await historyOf(1)
  expect(execution).toMatchObject({ status: 'failed', detail: expect.stringContaining('ECONNREFUSED') })
})

test('a timeout stops the run', async () => {
  await insertTask({ params: { duration: 3600 }, timeout_seconds: 0.05 })
  await tickAndRun(DUE)
  const [execution] = await historyOf(1)
  expect(execution).toMatchObject({ status: 'timeout', detail: 'stopped after its timeout of 0.05 seconds' })
})

test('a run stops when its invocation runs out of time', async () => {
  await insertTask({ params: { duration: 3600 } })
  const { claims } = await tickOnly(DUE)
  for (const claim of claims) await newExecutor().execute(claim, 50)
  const [execution] = await historyOf(1)
  expect(execution).toMatchObject({ status: 'timeout' })
})

test('a failed attempt is retried for the same occurrence after its backoff', async () => {
  const params = db().json({ url: 'http://127.0.0.1:1/' })
  await insertTask({ type: 'http', params, max_attempts: 2, retry_backoff_seconds: 1000 })
  await tickAndRun(DUE)
  const [first, second] = await historyOf(1)
  expect(first).toMatchObject({ status: 'failed', attempt: 1 })
  expect(second).toMatchObject({ status: 'queued', attempt: 2, scheduled_for: first?.scheduled_for })
  const wait = (second?.due_at.getTime() ?? 0) - (first?.finished_at?.getTime() ?? 0)
  expect(wait).toBeGreaterThanOrEqual(499_000)
  expect(wait).toBeLessThanOrEqual(1_001_000)

  await tickAndRun(new Date(Date.now() + 1_100_000))
  const history = await historyOf(1)
  expect(history.map(({ status, attempt }) => [status, attempt])).toEqual([
    ['failed', 1],
    ['failed', 2],
  ])
})

test('a task is paused after pause_after_failures consecutive failures, and a success resets the count', async () => {
  await insertTask({ params: db().json({ duration: -1 }), pause_after_failures: 2 })
  const minutes = (count: number) => new Date(DUE.getTime() + count * 60_000)
  await tickAndRun(minutes(0))
  await changeTasks({ params: db().json({ duration: 0 }) })
  await tickAndRun(minutes(1))
  expect(await db()`select consecutive_failures, paused_at from whole_tasks`).toEqual([
    { consecutive_failures: 0, paused_at: null },
  ])
  await changeTasks({ params: db().json({ duration: -1 }) })
  await tickAndRun(minutes(2))
  await tickAndRun(minutes(3))
  expect(
    await db()`select consecutive_failures, pause_reason, paused_at is not null as paused from whole_tasks`,
  ).toEqual([{ consecutive_failures: 2, pause_reason: 'failed 2 times in a row', paused: true }])
  await tickAndRun(minutes(4))
  expect(await historyOf(1)).toHaveLength(4)
})

test('a fixed-rate schedule ends after max_runs runs', async () => {
  await insertTask({ ...quick, max_runs: 1 })
  await tickAndRun(DUE)
  expect(await db()`select next_run_at, runs from whole_tasks`).toEqual([{ next_run_at: null, runs: 1 }])
})

test('jitter delays due_at but not scheduled_for', async () => {
  await insertTask({ ...quick, jitter_seconds: 50, next_run_at: '2027-03-10T00:00:20Z', name: 'j' })
  await tickAndRun(new Date('2027-03-10T00:00:20.100Z'))
  const [execution] = await historyOf(1)
  const due = execution?.due_at.getTime() ?? 0
  expect(due).toBe(Date.parse('2027-03-10T00:00:20Z'))
  const jitter = due - (execution?.scheduled_for.getTime() ?? 0)
  expect(jitter).toBeGreaterThan(0)
  expect(jitter).toBeLessThan(50_000)
  const [task] = await db()<[{ next_run_at: Date }]>`select next_run_at from whole_tasks`
  expect(task.next_run_at.getTime() - due).toBe(60_000)
})

test('a shutdown hands back running executions without counting an attempt', async () => {
  await insertTask({ params: { duration: 3600 } })
  const executor = newExecutor()
  const { claims } = await tickOnly(DUE)
  const [claim] = claims
  if (!claim) throw new Error('nothing was claimed')
  const work = executor.execute(claim, 3_600_000)
  await until(async () => (await historyOf(1))[0]?.status === 'running')
  await executor.drain(0, new AbortController().signal)
  await work
  expect(executor.load).toBe(0)
  const [execution] = await db()`select status, attempt, claim_id, started_at, due_at from all_executions`
  expect(execution).toEqual({
    status: 'queued',
    attempt: 1,
    claim_id: null,
    started_at: null,
    due_at: new Date('2027-03-10T00:00:00Z'),
  })
})

test('a shutdown hands back an execution that is just starting', async () => {
  await insertTask({ params: { duration: 3600 } })
  const executor = newExecutor()
  const { claims } = await tickOnly(DUE)
  const [claim] = claims
  if (!claim) throw new Error('nothing was claimed')
  let [work, drained] = [Promise.resolve(), Promise.resolve()]
  await db().begin(async (tx) => {
    await tx`select from task_state for update`
    work = executor.execute(claim, 3_600_000)
    await statementsWaiting(1)
    drained = executor.drain(60_000, AbortSignal.abort())
    await new Promise(setImmediate)
  })
  await drained
  await work
  expect(await historyOf(1)).toMatchObject([{ status: 'queued', attempt: 1, started_at: null }])
})

test('a shutdown lets runs finish within the grace period', async () => {
  await insertTask({ params: { duration: 0.2 } })
  const executor = newExecutor()
  const { claims } = await tickOnly(DUE)
  for (const claim of claims) void executor.execute(claim, 3_600_000)
  await executor.drain(20_000, new AbortController().signal)
  expect(await historyOf(1)).toMatchObject([{ status: 'success' }])
})

test('an infinite end_at that was set directly in the database does not hold up any task', async () => {
  for (const name of ['endless', 'other']) await insertTask({ name })
  await db()`update tasks set end_at = 'infinity' where name = 'endless'`
  const { ticked } = await tickOnly(DUE)
  expect(ticked).toMatchObject({ claimed: 2 })
})

test('an unreadable schedule pauses its task and does not hold up other tasks', async () => {
  await insertTask({
    schedule_type: 'cron',
    interval_seconds: null,
    cron_expression: 'not cron',
    name: 'broken',
  })
  await insertTask({ ...quick, name: 'whole' })
  await tickAndRun(DUE)
  expect(await historyOf(2)).toMatchObject([{ status: 'success' }])
  const [broken] = await db()`select pause_reason from whole_tasks where id = 1`
  expect(broken?.pause_reason).toMatch(/^unreadable schedule: #\/cron_expression: /)
})

test('a paused task with an unreadable schedule stays paused and does not make the tick fail', async () => {
  const paused = { paused_at: '2027-01-01T00:00:00Z', paused_until: '2020-01-01T00:00:00Z' }
  const broken = { schedule_type: 'cron', interval_seconds: null, cron_expression: 'not cron' }
  await insertTask({ ...broken, ...paused, name: 'broken' })
  await insertTask({ ...quick, name: 'whole' })
  await tickAndRun(DUE)
  expect(await historyOf(2)).toMatchObject([{ status: 'success' }])
  const [task] =
    await db()`select paused_at is not null as paused, paused_until, pause_reason from whole_tasks where id = 1`
  expect(task).toEqual({
    paused: true,
    paused_until: null,
    pause_reason: expect.stringMatching(/^unreadable schedule: #\/cron_expression: /),
  })
})

test('all occurrences missed during a pause of many years are recorded as one skipped row', async () => {
  const paused = { paused_at: '2020-01-01T00:00:00Z', paused_until: '2020-01-02T00:00:00Z' }
  await insertTask({ ...quick, ...paused, interval_seconds: 1, next_run_at: '1900-01-01T00:00:00Z' })
  await resumeDue(db())
  const [skipped, ...others] = await historyOf(1)
  expect(others).toEqual([])
  const [{ missed }] = await db()<[{ missed: number }]>`
    select extract(epoch from next_run_at - '1900-01-01Z')::bigint as missed from whole_tasks`
  expect(missed).toBeGreaterThan(2 ** 31)
  expect(skipped).toMatchObject({ skip_reason: 'paused', skipped_count: missed })
})

test('a run that fails after its task was paused is not retried', async () => {
  await insertTask({ type: 'http', params: { url: 'http://127.0.0.1:1/' }, max_attempts: 3 })
  const { claims } = await tickOnly(DUE)
  await db()`update task_state set paused_at = now()`
  for (const claim of claims) await newExecutor().execute(claim, 60_000)
  expect((await historyOf(1)).map(({ status }) => status)).toEqual(['failed'])
})

test('a fixed-delay schedule ends after max_runs runs', async () => {
  await insertTask({ ...quick, interval_mode: 'fixed_delay', max_runs: 1 })
  await tickAndRun(DUE)
  expect(await db()`select next_run_at, runs from whole_tasks`).toEqual([{ next_run_at: null, runs: 1 }])
})
