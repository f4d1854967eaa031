import { db } from '../../shared/db.ts'

/** An empty database whose ids start at 1 again; four times as fast as a truncate, which makes new files. */
export async function emptyTables(): Promise<void> {
  await db()`delete from tasks`
  await db()`delete from idempotency_keys`
  await db()`select setval('tasks_id_seq', 1, false), setval('executions_id_seq', 1, false)`
}

/** An interval task of 60 seconds, due in 2027, but for what is given. */
export async function insertTask(given: object = {}): Promise<number> {
  const row = {
    name: 'a',
    type: 'sleep',
    schedule_type: 'interval',
    interval_seconds: 60,
    next_run_at: '2027-03-10T00:00:00Z',
    ...given,
  }
  const [task] = await db()<[{ id: number }]>`insert into tasks ${db()(row)} returning id`
  return task.id
}

/** A success of task 1 at an instant, but for what is given. */
export async function insertExecution(at: string, given: object = {}): Promise<void> {
  const row = {
    task_id: 1,
    scheduled_for: at,
    due_at: at,
    status: 'success',
    started_at: at,
    finished_at: at,
    result: db().json({ slept_seconds: 2 }),
    ...given,
  }
  await db()`insert into executions ${db()(row)}`
}

/** An instant so many seconds from the database's now, which a test can't move. */
export async function nowPlus(seconds: number): Promise<string> {
  const [row] = await db()<[{ at: Date }]>`
    select date_trunc('milliseconds', now() + make_interval(secs => ${seconds})) as at`
  return row.at.toISOString()
}

/** An open execution of task 1: nobody holds a queued one; a running one has a lease of an hour. */
export async function insertOpen(status: 'queued' | 'running', given: object = {}): Promise<void> {
  const held = { claim_id: '9f1c3c0e-5b3a-4b8e-9d0f-000000000000', lease_expires_at: await nowPlus(3600) }
  const running = status === 'running' ? held : { started_at: null }
  await insertExecution('2020-03-10T00:00:00Z', {
    status,
    finished_at: null,
    result: null,
    ...running,
    ...given,
  })
}

/** Resolves when so many statements of this database wait for a lock. */
export async function statementsWaiting(count: number): Promise<void> {
  for (;;) {
    const rows = await db()`
      select from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`
    if (rows.length >= count) return
  }
}
