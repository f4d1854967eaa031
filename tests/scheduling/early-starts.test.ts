import '../setup/doctor.ts'
import { beforeEach, expect, test } from 'vitest'
import { memory } from '../../functions/program.ts'
import { db } from '../../shared/db.ts'
import { cancelExecution } from '../../shared/executions/cancel.ts'
import type { Claim } from '../../shared/scheduling/claim/claim.ts'
import { pauseTasks } from '../../shared/scheduling/control/pause.ts'
import { Executor } from '../../shared/scheduling/run/executor.ts'
import { tick } from '../../shared/scheduling/tick/tick.ts'
import { deleteTasks } from '../../shared/tasks/delete.ts'
import { updateTask } from '../../shared/tasks/update.ts'
import { eventually } from '../setup/eventually.ts'
import { emptyTables } from '../setup/rows.ts'

beforeEach(emptyTables)

type Row = { id: number; task_id: number }

/** With so many executions, the first starts are written 0.9 s before they are due. */
const HERD = 30_000
const DUE_IN_SECONDS = 8
const LEASE_SECONDS = 60

async function insertHerd(): Promise<void> {
  await db()`
    with made as (
      insert into tasks (name, type, params, schedule_type, interval_seconds)
      select 'herd ' || n, 'counter', '{}', 'interval', 3600 from generate_series(1, ${HERD}::int) n
      returning id, definition
    )
    insert into task_state (task_id, definition, next_run_at)
    select id, definition, now() + make_interval(secs => ${DUE_IN_SECONDS}) from made`
}

async function claimHerd(): Promise<Claim[]> {
  const claims: Claim[] = []
  const claimed = () => claims.reduce((sum, { executions }) => sum + executions.length, 0)
  const dispatcher = {
    capacity: async () => ({ now: 0, ahead: HERD - claimed() }),
    send: async (claim: Claim) => void claims.push(claim),
  }
  while (claimed() < HERD) {
    await tick(db(), dispatcher, memory, { leaseSeconds: LEASE_SECONDS, aheadMs: DUE_IN_SECONDS * 1000 })
  }
  return claims
}

/** Starts a herd. Returns once some starts are written, with four executions that aren't due for at least 0.2 s. */
async function startHerd() {
  await insertHerd()
  const claims = await claimHerd()
  const options = { leaseSeconds: LEASE_SECONDS, defaultTimeoutSeconds: 30, maxRunning: HERD }
  const executor = new Executor(db(), options)
  const over = Promise.all(claims.map((claim) => executor.execute(claim, 60_000)))
  const early = await eventually(async () => {
    const rows = await db()`
      select execution_id as id, task_id from task_state
      where status = 'running' and started_at > now() + interval '200 ms'
      limit 4`
    expect(rows).toHaveLength(4)
    return rows as unknown as [Row, Row, Row, Row]
  })
  return { executor, over, early }
}

const state = async (taskId: number) => {
  const [row] = await db()`
    select s.status, s.started_at, s.next_run_at = s.due_at as is_due_again, s.runs, e.status as outcome, e.detail
    from task_state s left join executions e on e.task_id = s.task_id
    where s.task_id = ${taskId}`
  return row
}

test('a pause, cancellation, change or deletion stops an execution whose start was written long before it is due', async () => {
  const { over, early } = await startHerd()
  const [paused, cancelled, changed, deleted] = early
  await Promise.all([
    pauseTasks(db(), [paused.task_id], { until: null, reason: null }),
    cancelExecution(db(), cancelled.id),
    updateTask(db(), changed.task_id, { timeout_seconds: 5 }, null),
    deleteTasks(db(), [deleted.task_id]),
  ])
  await over
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
  const [counts] = await db()`
    select count(*)::int as runs, count(distinct task_id)::int as tasks from executions where status = 'success'`
  expect(counts).toEqual({ runs: HERD - early.length, tasks: HERD - early.length })
})

test('a shutdown frees executions whose start was written long before they are due', async () => {
  const { executor, over } = await startHerd()
  await executor.drain(10_000, new AbortController().signal)
  await over
  const [counts] = await db()`
    select (select count(*)::int from executions) as ended, count(*)::int as queued
    from task_state where status = 'queued' and claim_id is null and started_at is null`
  expect(counts).toEqual({ ended: 0, queued: HERD })
})
