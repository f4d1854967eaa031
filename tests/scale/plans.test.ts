import { beforeAll, describe, expect, test } from 'vitest'
import { memory } from '../../functions/program.ts'
import type { Database } from '../../shared/db.ts'
import { longDb } from '../../shared/db.ts'
import { getExecution } from '../../shared/executions/get.ts'
import { executionQuery, historyQuery, listExecutions, listHistory } from '../../shared/executions/list.ts'
import { tick } from '../../shared/scheduling/tick/tick.ts'
import { getTask } from '../../shared/tasks/get.ts'
import { listTasks, taskQuery } from '../../shared/tasks/list.ts'
import { listUpcoming, upcomingQuery } from '../../shared/tasks/upcoming.ts'
import { watchPlans } from '../setup/plans.ts'

/** With this many tasks, reading a whole table costs more than using an index, whatever the planner's settings are. */
const TASKS = 50_000
const RUNS_EACH = 6

beforeAll(async () => {
  await longDb()`
    with t as (
      insert into tasks (name, type, schedule_type, interval_seconds, tags)
      select 'task ' || i, case when i % 1000 = 0 then 'http' else 'sleep' end, 'interval', 3600,
        case when i % 1000 = 0 then '{rare}' else '{}' end::text[]
      from generate_series(1, ${TASKS}::int) i
      returning id, definition
    )
    insert into task_state (task_id, definition, next_run_at, paused_at)
    select id, definition, now() + interval '1 hour' + id * interval '1 s', case when id % 1000 = 0 then now() end from t`
  await longDb()`
    insert into executions (task_id, scheduled_for, due_at, status, started_at, finished_at, result)
    select t.id, at, at, case when t.id % 1000 = 0 then 'failed' else 'success' end, at, at, '{"slept_seconds": 0}'
    from generate_series(1, ${RUNS_EACH}::int) i, tasks t,
      lateral (select now() - make_interval(hours => ${RUNS_EACH}::int - i)) a (at)`
  for (const table of ['tasks', 'task_state', 'executions', 'claims'])
    await longDb()`vacuum analyze ${longDb()(table)}`
}, 60_000)

const tasks = (query: object) => (sql: Database) => listTasks(sql, taskQuery.parse({ limit: '20', ...query }))
const executions = (query: object) => (sql: Database) =>
  listExecutions(sql, executionQuery.parse({ limit: '20', ...query }))
const history = (query: object) => (sql: Database) =>
  listHistory(sql, 777, historyQuery.parse({ limit: '20', ...query }))
const NIGHT = {
  finished_from: new Date(Date.now() - 14_400_000).toISOString(),
  finished_to: new Date(Date.now() - 7_200_000).toISOString(),
}

const nobody = { capacity: async () => ({ now: 500, ahead: 500 }), send: async () => {} }

const asked: [string, (sql: Database) => Promise<unknown>][] = [
  ['a task', (sql) => getTask(sql, 777)],
  ['tasks', tasks({})],
  ['tasks by type', tasks({ type: 'http' })],
  ['tasks by schedule', tasks({ schedule_type: 'cron' })],
  ['tasks by tag', tasks({ tag: 'rare' })],
  ['tasks by name', tasks({ name_prefix: 'task 4999' })],
  ['paused tasks', tasks({ paused: 'true' })],
  ['running tasks', tasks({ state: 'running' })],
  ['late tasks', tasks({ state: 'late' })],
  ['tasks sorted by name', tasks({ sort: 'name', order: 'desc' })],
  ['upcoming runs', (sql) => listUpcoming(sql, upcomingQuery.parse({ limit: '20' }))],
  ['an execution', (sql) => getExecution(sql, 777)],
  ['executions', executions({})],
  ['executions by task', executions({ task_id: '777' })],
  ['failed executions', executions({ status: 'failed' })],
  ['executions of three statuses', executions({ status: 'failed,timeout,lost' })],
  ['executions by error code', executions({ error_code: 'dns' })],
  ['failures of a night', executions({ status: 'failed,lost', ...NIGHT })],
  ['failures of a night by tag', executions({ status: 'failed', ...NIGHT, tag: 'rare' })],
  ['executions by tag', executions({ tag: 'rare' })],
  ['executions by the name of their task', executions({ task_name_prefix: 'task 4999' })],
  ['successful executions', executions({ status: 'success' })],
  ['executions by time', executions({ scheduled_from: new Date(Date.now() - 7_200_000).toISOString() })],
  ["a task's history", history({})],
  ["a task's failures", history({ status: 'failed' })],
  ['a tick with nothing to do', (sql) => tick(sql, nobody, memory, { leaseSeconds: 15, aheadMs: 1000 })],
]

describe('never reads a whole table:', () => {
  test.for(asked)('%s', async ([, ask]) => {
    await using watched = await watchPlans(process.env.DATABASE_URL ?? '')
    // PostgreSQL may switch to a generic plan after several calls.
    for (let call = 0; call < 7; call += 1) await ask(watched.sql)
    const plans = watched.plans()
    expect(plans.length).toBeGreaterThanOrEqual(7)
    for (const plan of plans) expect(plan).not.toMatch(/Seq Scan on (tasks|task_state|executions)/)
  })
})

test('a tick with nothing to do runs one statement and reads few pages, however many tasks exist', async () => {
  await using watched = await watchPlans(process.env.DATABASE_URL ?? '')
  for (let call = 0; call < 3; call += 1)
    await tick(watched.sql, nobody, memory, { leaseSeconds: 15, aheadMs: 1000 })
  const plans = watched.plans()
  expect(plans).toHaveLength(3)
  const pages = /^\s*Buffers: shared hit=(\d+)$/m.exec(plans.at(-1) ?? '')?.[1]
  expect(Number(pages)).toBeLessThanOrEqual(14)
})

test('failures of a time are read through their own index, and no others', async () => {
  await using watched = await watchPlans(process.env.DATABASE_URL ?? '')
  await executions({ status: 'failed,lost', ...NIGHT })(watched.sql)
  const [plan] = watched.plans()
  expect(plan).toMatch(/using executions_failures/)
  expect(plan).not.toMatch(/executions_pkey/)
})

test('a page of tasks reads only the history that it shows', async () => {
  await using watched = await watchPlans(process.env.DATABASE_URL ?? '')
  await tasks({ sort: 'last_run', order: 'desc' })(watched.sql)
  const [plan] = watched.plans()
  expect(plan).toMatch(/using occurrence_once on executions .*rows=6(\.00)? loops=20\)/)
})
