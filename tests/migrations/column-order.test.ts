import { afterEach, beforeEach, expect, test } from 'vitest'
import { migrate } from '../../infra/migrations/migrate.ts'
import type { Database } from '../../shared/db.ts'
import { eventually } from '../setup/eventually.ts'
import { openOldDatabase } from './old-database.ts'

let sql: Database
let drop: () => Promise<void>

beforeEach(async () => {
  const database = await openOldDatabase('0003_room_for_a_whole_run.sql')
  sql = database.sql
  drop = database.drop
  await sql`
    insert into tasks (name, type, schedule_type, interval_seconds)
    select 'task ' || i, 'sleep', 'interval', 60 from generate_series(1, 4) i`
})

afterEach(() => drop())

const AT = '2026-03-10T00:00:00.125Z'

/**
 * Inserts the states of a running task, a task that is waiting for a retry, a paused task and a new task. Together they
 * give each column a distinct value.
 */
const insertStates = () => sql`
  insert into task_state (
    task_id, definition, next_run_at, execution_id, scheduled_for, due_at, started_at, cancel_requested_at, claim_id, busy_from, busy_until,
    run_queued_at, rerun_of, attempt, failures, losses, runs, consecutive_failures, status, trigger, unheld_due_at, paused_at, paused_until,
    pause_reason
  )
  select t.id, t.definition, at, s.execution_id, at + s.scheduled, at + s.due, at + s.started, at + s.cancelled, s.claim_id::uuid,
    at + s.busy_from, at + s.busy_until, at + s.asked, s.rerun_of, s.attempt, s.failures, s.losses, s.runs, s.consecutive, s.status,
    s.trigger, at + s.unheld, at + s.paused, at + s.until, s.reason
  from tasks t
  cross join (select ${AT}::timestamptz as at) instant
  join (
    values
      ('task 1', 11, '1 s'::interval, '2 s'::interval, '3 s'::interval, '4 s'::interval, '9f1c3c0e-5b3a-4b8e-9d0f-000000000000',
        '5 s'::interval, '6 s'::interval, '7 s'::interval, 12, 13, 14, 15, 16, 17, 'running', 'rerun', null::interval, null::interval,
        null::interval, null),
      ('task 2', 21, '1 s', '2 s', null, null, null, '3 s', '4 s', null, null, 22, 23, 24, 25, 26, 'queued', 'schedule', '2 s', null, null, null),
      ('task 3', 31, '1 s', '2 s', null, null, null, null, null, null, null, 1, 0, 0, 32, 33, null, 'manual', null, '3 s', '4 s', 'maintenance'),
      ('task 4', null, null, null, null, null, null, null, null, null, null, null, 0, 0, 0, 0, null, null, null, null, null, null)
  ) as s (
    name, execution_id, scheduled, due, started, cancelled, claim_id, busy_from, busy_until, asked, rerun_of, attempt, failures, losses, runs,
    consecutive, status, trigger, unheld, paused, until, reason
  ) on s.name = t.name`

/** Returns the rows as `jsonb`, which sorts the keys, so that the order of columns doesn't matter. */
const states = async () =>
  (await sql<{ row: unknown }[]>`select to_jsonb(s) as row from task_state s order by task_id`).map(
    ({ row }) => row,
  )

const parts = async () => [
  ...(await sql`select indexdef as def from pg_indexes where tablename = 'task_state' order by 1`),
  ...(await sql`
    select conname, pg_get_constraintdef(oid) as def from pg_constraint
    where conrelid = 'task_state'::regclass and contype <> 'n'
    order by 1`),
]

test('reordering the columns keeps every value, index and constraint', async () => {
  await insertStates()
  const before = { states: await states(), parts: await parts() }
  expect(before.states).toHaveLength(4)
  await migrate(sql)
  expect({ states: await states(), parts: await parts() }).toEqual(before)
})

test('reordering the columns waits for locks without blocking other sessions', async () => {
  await insertStates()
  const ended = await sql.begin(async (tx) => {
    await tx`select from tasks`
    const migrated = migrate(sql)
    await eventually(async () => {
      const waiting = await sql`
        select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and query like '%in access exclusive mode%'`
      expect(waiting).toHaveLength(1)
    })
    expect(await tx`select from task_state`).toHaveLength(4)
    return { migrated }
  })
  expect((await ended.migrated)[0]).toBe('0004_what_changes_together.sql')
})
