import '../setup/doctor.ts'
import { beforeEach, expect, test } from 'vitest'
import { memory } from '../../functions/program.ts'
import { db } from '../../shared/db.ts'
import { cancelExecution } from '../../shared/executions/cancel.ts'
import type { Claim, ClaimedExecution } from '../../shared/scheduling/claim/claim.ts'
import { pauseTasks } from '../../shared/scheduling/control/pause.ts'
import { lastChange, stopUnwanted } from '../../shared/scheduling/control/stop-early.ts'
import { EarlyStarts } from '../../shared/scheduling/run/early-starts.ts'
import { Executor } from '../../shared/scheduling/run/executor.ts'
import type { HeldExecution } from '../../shared/scheduling/run/held.ts'
import { start } from '../../shared/scheduling/state/start.ts'
import { tick } from '../../shared/scheduling/tick/tick.ts'
import { deleteTasks } from '../../shared/tasks/delete.ts'
import { updateTask } from '../../shared/tasks/update.ts'
import { eventually } from '../setup/eventually.ts'
import { emptyTables, insertExecution } from '../setup/rows.ts'

beforeEach(emptyTables)

const LEASE_SECONDS = 60

async function insertDueTogether(count: number, inSeconds: number): Promise<void> {
  await db()`
    with made as (
      insert into tasks (name, type, params, schedule_type, interval_seconds)
      select 'task ' || n, 'counter', '{}', 'interval', 3600 from generate_series(1, ${count}::int) n
      returning id, definition
    )
    insert into task_state (task_id, definition, next_run_at)
    select id, definition, now() + make_interval(secs => ${inSeconds}) from made`
}

async function claimAll(count: number): Promise<Claim[]> {
  const claims: Claim[] = []
  const claimed = () => claims.reduce((sum, { executions }) => sum + executions.length, 0)
  const dispatcher = {
    capacity: async () => ({ now: 0, ahead: count - claimed() }),
    send: async (claim: Claim) => void claims.push(claim),
  }
  while (claimed() < count) {
    await tick(db(), dispatcher, memory, { leaseSeconds: LEASE_SECONDS, aheadMs: 3_600_000 })
  }
  return claims
}

/** Writes the starts of `count` executions that are due in an hour. Returns them, oldest task first. */
async function startEarly(count: number): Promise<ClaimedExecution[]> {
  await insertDueTogether(count, 3600)
  const executions = (await claimAll(count)).flatMap((claim) => claim.executions)
  await start(
    db(),
    executions.map((execution) => ({ execution, inMs: 3_600_000 })),
  )
  return executions.sort((a, b) => a.task_id - b.task_id)
}

const state = async (taskId: number) => {
  const [row] = await db()`
    select s.status, s.started_at, s.next_run_at = s.due_at as is_due_again, s.runs, e.status as outcome, e.detail
    from task_state s left join executions e on e.task_id = s.task_id
    where s.task_id = ${taskId}`
  return row
}

type Five = [ClaimedExecution, ClaimedExecution, ClaimedExecution, ClaimedExecution, ClaimedExecution]

test('a pause, cancellation, change or deletion stops an execution whose start was written early', async () => {
  const executions = (await startEarly(5)) as Five
  const [paused, cancelled, changed, deleted, untouched] = executions
  await pauseTasks(db(), [paused.task_id], { until: null, reason: null })
  await cancelExecution(db(), cancelled.id)
  await updateTask(db(), changed.task_id, { timeout_seconds: 5 }, null)
  await deleteTasks(db(), [deleted.task_id])
  expect([...(await stopUnwanted(db(), executions))]).toEqual([untouched])
  expect(await state(paused.task_id)).toMatchObject({
    status: null,
    is_due_again: true,
    runs: 0,
    outcome: null,
  })
  expect(await state(cancelled.task_id)).toMatchObject({
    status: null,
    runs: 0,
    outcome: 'cancelled',
    detail: 'cancelled before it started',
  })
  expect(await state(changed.task_id)).toMatchObject({ status: 'queued', started_at: null, outcome: null })
  expect(await state(untouched.task_id)).toMatchObject({ status: 'running', runs: 1 })
})

const verbs: Record<string, (execution: ClaimedExecution) => Promise<unknown>> = {
  'a pause': ({ task_id }) => pauseTasks(db(), [task_id], { until: null, reason: null }),
  'a cancellation': ({ id }) => cancelExecution(db(), id),
  'a change': ({ task_id }) => updateTask(db(), task_id, { timeout_seconds: 5 }, null),
  'a deletion': ({ task_id }) => deleteTasks(db(), [task_id]),
}

test.for(Object.keys(verbs))('%s is noticed before the run begins', async (verb) => {
  // If the machine is so busy that the database responds too late, the runs begin, so this may need several attempts.
  await eventually(async () => {
    await emptyTables()
    const executions = await startEarly(2)
    const change = await lastChange(db())
    await verbs[verb]?.(executions[0] as ClaimedExecution)
    expect(await confirmed(executions, change)).toEqual([executions[1]])
  })
})

test('an execution that was stopped leaves the last run of its task as it was', async () => {
  await insertDueTogether(1, 3600)
  const began = new Date('2027-03-10T00:00:00Z')
  await insertExecution(began.toISOString())
  await db()`update task_state set busy_from = ${began}, busy_until = ${began}`
  const executions = (await claimAll(1)).flatMap((claim) => claim.executions)
  await start(
    db(),
    executions.map((execution) => ({ execution, inMs: 3_600_000 })),
  )
  await pauseTasks(db(), [1], { until: null, reason: null })
  await stopUnwanted(db(), executions)
  expect(await db()`select busy_from from task_state`).toEqual([{ busy_from: began }])
})

test('executions begin if nothing has changed', async () => {
  const executions = await startEarly(2)
  expect(await confirmed(executions, await lastChange(db()))).toEqual(executions)
})

/**
 * Returns which of the executions may begin, given that they are due soon and their starts were written after `change`.
 */
async function confirmed(executions: ClaimedExecution[], change: number): Promise<ClaimedExecution[]> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const may: ClaimedExecution[] = []
  let left = executions.length
  const early = new EarlyStarts(db(), {
    confirmed: (items) => {
      may.push(...items.map((item) => item.execution))
      left -= items.length
      if (left === 0) resolve()
    },
    stopped: () => {
      left -= 1
      if (left === 0) resolve()
    },
  })
  const at = performance.now() + 50
  early.add(
    executions.map((execution) => ({ execution, at, claim: { lost: false } }) as HeldExecution),
    change,
  )
  await promise
  return may
}

test('a shutdown leaves no execution behind whose start was written early', async () => {
  const count = 3000
  await insertDueTogether(count, 3)
  const options = { leaseSeconds: LEASE_SECONDS, defaultTimeoutSeconds: 30, maxRunning: count }
  const executor = new Executor(db(), options)
  const over = Promise.all((await claimAll(count)).map((claim) => executor.execute(claim, 60_000)))
  await eventually(async () => {
    const [row] = await db()`select from task_state where status = 'running' limit 1`
    expect(row).toBeDefined()
  })
  await executor.drain(30_000, new AbortController().signal)
  await over
  const [counts] = await db()`
    select (select count(*)::int from executions where status = 'success')
      + count(*) filter (where status = 'queued' and claim_id is null and started_at is null)::int as accounted
    from task_state`
  expect(counts).toEqual({ accounted: count })
})
