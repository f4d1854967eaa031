import '../setup/doctor.ts'
import { beforeEach, expect, test } from 'vitest'
import { memory } from '../../functions/program.ts'
import { type Database, db, type Queryable } from '../../shared/db.ts'
import { runNow } from '../../shared/executions/run-now.ts'
import { claimDue } from '../../shared/scheduling/claim/claim-due.ts'
import { settle } from '../../shared/scheduling/settle/settle.ts'
import { start } from '../../shared/scheduling/state/start.ts'
import { deleteTasks } from '../../shared/tasks/delete.ts'
import { emptyTables, insertTask, nowPlus, statementsWaiting } from '../setup/rows.ts'
import { expireLeases, historyOf, newExecutor, tickAndRun, tickOnly } from '../setup/scheduler.ts'

beforeEach(emptyTables)

const DUE = new Date('2027-03-10T00:00:00.400Z')
const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i))

test('ten concurrent ticks create exactly one execution for each of fifty tasks', async () => {
  for (let i = 0; i < 50; i += 1) await insertTask({ name: `task ${i}` })
  const ticks = await Promise.all(times(10, () => tickOnly(DUE)))
  expect(ticks.reduce((sum, { ticked }) => sum + ticked.claimed, 0)).toBe(50)
  const perTask = await db()`select task_id, count(*)::int as n from all_executions group by task_id`
  expect(perTask).toHaveLength(50)
  expect(perTask.every(({ n }) => n === 1)).toBe(true)
})

test('a task can have only one open execution, since the database rejects a second task_state row', async () => {
  await insertTask()
  const open = () => db()`insert into task_state (task_id, definition) values (1, 1)`
  await expect(open()).rejects.toThrow('task_state_pkey')
})

test('a counter counts each success exactly once despite concurrent ticks, runs and manual runs', async () => {
  await insertTask({ type: 'counter', interval_seconds: 1 })
  const executor = newExecutor()
  for (let round = 0; round < 15; round += 1) {
    const now = new Date(DUE.getTime() + round * 1000)
    await Promise.all([
      ...times(4, () => tickAndRun(now, executor)),
      runNow(db(), { taskId: 1, overlap: 'refuse' }).catch(() => {}),
    ])
  }
  await tickAndRun(new Date(DUE.getTime() + 100_000), executor)
  const [{ successes }] = await db()<[{ successes: number }]>`
    select count(*)::int as successes from all_executions where status = 'success'`
  // If a round's ticks miss the manual run, the next round's ticks run it, so at least every other round succeeds.
  expect(successes).toBeGreaterThanOrEqual(8)
  expect(await db()`select params from whole_tasks`).toEqual([{ params: { count: successes } }])
})

test('only one of a hundred concurrent requests for a manual run succeeds', async () => {
  await insertTask()
  const asked = await Promise.allSettled(times(100, () => runNow(db(), { taskId: 1, overlap: 'refuse' })))
  expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  expect(await db()`select count(*)::int as n from all_executions`).toEqual([{ n: 1 }])
})

test('a worker that lost its claim can neither settle the execution nor increment the counter', async () => {
  await insertTask({ type: 'counter' })
  const { claims } = await tickOnly(DUE)
  const [claim] = claims
  if (!claim) throw new Error('nothing was claimed')
  const [late] = claim.executions
  if (!late) throw new Error('nothing was claimed')
  await start(db(), [{ execution: late, inMs: 0 }])
  await expireLeases()
  await tickAndRun(DUE)
  const settled = await settle(db(), [{ execution: late, outcome: { status: 'success', result: {} } }])
  expect([...settled.ids]).toEqual([])
  expect(await db()`select status, attempt from all_executions order by attempt`).toEqual([
    { status: 'lost', attempt: 1 },
    { status: 'success', attempt: 2 },
  ])
  expect(await db()`select params from whole_tasks`).toEqual([{ params: { count: 1 } }])
})

test('deleting tasks while they are running leaves no rows behind, and no run waits forever', async () => {
  for (let i = 0; i < 30; i += 1) await insertTask({ name: `c${i}`, type: 'counter', interval_seconds: 1 })
  const executor = newExecutor()
  const ids = times(30, (i) => i + 1)
  await Promise.all([
    tickAndRun(DUE, executor),
    tickAndRun(DUE, executor),
    ...ids.map((id) => deleteTasks(db(), [id])),
  ])
  expect(
    await db()`select (select count(*) from whole_tasks)::int as tasks, (select count(*) from all_executions)::int as executions`,
  ).toEqual([{ tasks: 0, executions: 0 }])
  expect(executor.load).toBe(0)
})

test('a manual run requested while its task is being claimed waits, does not deadlock, and is then refused', async () => {
  await insertTask()
  let asked: Promise<unknown> = Promise.resolve()
  await db().begin(async (tx) => {
    await tx`select from task_state for update`
    asked = runNow(db(), { taskId: 1, overlap: 'refuse' }).catch((error: unknown) => error)
    await statementsWaiting(1)
    await tx`
      update task_state
      set execution_id = 1, scheduled_for = now(), due_at = now(), unheld_due_at = now(), status = 'queued', attempt = 1,
        trigger = 'schedule'`
  })
  expect(await asked).toMatchObject({ code: 'conflict' })
})

/** Returns a database whose transactions wait for `work` right after they begin. */
const whenBegun = (work: () => Promise<unknown>): Database =>
  new Proxy(db(), {
    get: (target, key) =>
      key === 'begin'
        ? (run: (tx: Queryable) => Promise<unknown>) =>
            target.begin(async (tx) => {
              await tx`select now()`
              await work()
              return await run(tx)
            })
        : Reflect.get(target, key),
  })

test("a run starts after the task's previous run ends, even if its claim began earlier", async () => {
  await insertTask({
    params: { duration: 0.05 },
    misfire_policy: 'fire_all',
    next_run_at: await nowPlus(-90),
  })
  const [first] = (await tickOnly()).claims
  if (!first) throw new Error('nothing was claimed')
  const executor = newExecutor()
  const options = {
    limit: 10,
    startsDue: true,
    clock: await memory.clock.read(db()),
    leaseSeconds: 30,
    which: 'oldest',
  } as const
  const { claims } = await claimDue(
    whenBegun(() => executor.execute(first, 60_000)),
    memory,
    options,
  ).claimed
  for (const claim of claims) await executor.execute(claim, 60_000)
  const [before, after] = await historyOf(1)
  expect([before?.status, after?.status]).toEqual(['success', 'success'])
  expect(after?.started_at?.getTime()).toBeGreaterThanOrEqual(before?.finished_at?.getTime() ?? Number.NaN)
})
