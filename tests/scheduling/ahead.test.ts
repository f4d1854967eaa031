import '../setup/doctor.ts'
import { beforeEach, expect, test } from 'vitest'
import { memory } from '../../functions/program.ts'
import { db } from '../../shared/db.ts'
import type { Claim } from '../../shared/scheduling/claim/claim.ts'
import { pauseTasks, resumeTasks } from '../../shared/scheduling/control/pause.ts'
import { DueTimer } from '../../shared/scheduling/run/due-timer.ts'
import { tick } from '../../shared/scheduling/tick/tick.ts'
import { deleteTasks } from '../../shared/tasks/delete.ts'
import { updateTask } from '../../shared/tasks/update.ts'
import { emptyTables, insertTask } from '../setup/rows.ts'
import { historyOf, newExecutor } from '../setup/scheduler.ts'
import { startTarget } from '../setup/target.ts'

beforeEach(emptyTables)

const quick = { params: { duration: 0 } }

/** Inserts a task that is due in this many milliseconds by the database's clock. */
async function insertDueIn(milliseconds: number, given: object = {}): Promise<void> {
  await insertTask({ ...quick, ...given })
  await db()`update task_state set next_run_at = now() + make_interval(secs => ${milliseconds / 1000})`
}

async function claimAhead(aheadMs: number): Promise<Claim> {
  const claims: Claim[] = []
  const send = async (claim: Claim) => void claims.push(claim)
  await tick(db(), { capacity: async () => ({ now: 0, ahead: 100 }), send }, memory, {
    leaseSeconds: 30,
    aheadMs,
  })
  return (
    claims[0] ?? {
      id: '',
      executions: [],
      clock: { now: new Date(), readAt: 0 },
      since: 0,
      isExclusive: true,
    }
  )
}

test('when claiming ahead, claims only tasks that become due within the given time', async () => {
  await insertDueIn(900)
  expect((await claimAhead(500)).executions).toEqual([])
  const claim = await claimAhead(1000)
  expect(claim.executions).toHaveLength(1)
  const wait = (claim.executions[0]?.due_at.getTime() ?? 0) - claim.clock.now.getTime()
  expect(wait).toBeGreaterThan(0)
  expect(wait).toBeLessThanOrEqual(900)
})

test('never starts a run before it is due', async () => {
  await insertDueIn(300)
  await newExecutor().execute(await claimAhead(1000), 60_000)
  const [execution] = await historyOf(1)
  expect(execution?.status).toBe('success')
  const late = (execution?.started_at?.getTime() ?? 0) - (execution?.scheduled_for.getTime() ?? 0)
  expect(late).toBeGreaterThanOrEqual(0)
})

test.each([
  ['paused', () => pauseTasks(db(), [1], { until: null, reason: null }), []],
  ['deleted', () => deleteTasks(db(), [1]), []],
  ['given another schedule', () => updateTask(db(), 1, { interval_seconds: 7200 }, null), []],
])('a task that is %s after it was claimed ahead does not run', async (_what, change, left) => {
  await insertDueIn(400, { interval_seconds: 3600 })
  const claim = await claimAhead(1000)
  expect(claim.executions).toHaveLength(1)
  const work = newExecutor().execute(claim, 60_000)
  await change()
  await work
  expect(await historyOf(1)).toMatchObject(left)
  expect(await historyOf(1)).toHaveLength(left.length)
})

test('a new schedule withdraws an execution claimed ahead, and moves the cursor back to its occurrence', async () => {
  await insertDueIn(900, { interval_seconds: 3600 })
  const [before] = await db()<[{ next_run_at: Date }]>`select next_run_at from whole_tasks`
  await claimAhead(1000)
  const task = await updateTask(db(), 1, { interval_seconds: 7200 }, null)
  expect(task.next_run_at).toEqual(before.next_run_at)
})

test('a shutdown immediately frees executions that are not due yet', async () => {
  await insertDueIn(5000)
  const claim = await claimAhead(10_000)
  const executor = newExecutor()
  const work = executor.execute(claim, 60_000)
  await executor.drain(60_000, new AbortController().signal)
  await work
  expect(executor.load).toBe(0)
  expect(await db()`select status, claim_id from all_executions`).toEqual([
    { status: 'queued', claim_id: null },
  ])
})

test('the due timer releases items in order of due time, and those with the same due time together', async () => {
  const since = performance.now()
  const released: { id: number; after: number }[][] = []
  const { promise: all, resolve } = Promise.withResolvers<void>()
  const releaser = new DueTimer<{ id: number; at: number }>((due) => {
    released.push(due.map(({ id }) => ({ id, after: performance.now() - since })))
    if (released.flat().length === 4) resolve()
  })
  releaser.add([60, 0, 120, 0].map((wait, index) => ({ id: index + 1, at: since + wait })))
  await all
  expect(released[0]?.map(({ id }) => id)).toEqual([2, 4])
  expect(released.flat().map(({ id }) => id)).toEqual([2, 4, 1, 3])
  for (const { id, after } of released.flat())
    expect(after).toBeGreaterThanOrEqual([60, 0, 120, 0][id - 1] ?? 0)
})

test('a `once` task that was paused after being claimed ahead runs when it is resumed', async () => {
  await insertDueIn(300, { schedule_type: 'once', interval_seconds: null })
  const claim = await claimAhead(1000)
  await pauseTasks(db(), [1], { until: null, reason: null })
  await newExecutor().execute(claim, 60_000)
  expect(await historyOf(1)).toEqual([])
  await resumeTasks(db(), [1], 'policy')
  const again = await claimAhead(1000)
  await newExecutor().execute(again, 60_000)
  expect(await historyOf(1)).toMatchObject([{ status: 'success' }])
})

test('an execution that was freed by an update and claimed again by the same process runs only once', async () => {
  await using target = await startTarget((response) => response.end())
  const once = { schedule_type: 'once', interval_seconds: null, next_run_at: null }
  await insertTask({ type: 'http', params: { url: target.url }, ...once })
  await db()`
    update task_state set status = 'queued', execution_id = nextval('execution_ids'), scheduled_for = now(), attempt = 2,
      trigger = 'schedule', due_at = now() + interval '400 ms', unheld_due_at = now() + interval '400 ms'`
  const executor = newExecutor()
  const first = await claimAhead(1000)
  await updateTask(db(), 1, { max_attempts: 2 }, null)
  const second = await claimAhead(1000)
  expect([...first.executions, ...second.executions].map(({ id }) => id)).toEqual([1, 1])
  await Promise.all([executor.execute(first, 60_000), executor.execute(second, 60_000)])
  expect(await historyOf(1)).toMatchObject([{ status: 'success', attempt: 2 }])
  expect(target.seen).toHaveLength(1)
})
