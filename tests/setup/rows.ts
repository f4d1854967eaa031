import { db, type Queryable } from '../../shared/db.ts'

/** Empties the tables and restarts ids at 1. This is four times as fast as `truncate`, which creates new files. */
export async function emptyTables(): Promise<void> {
  await db()`delete from tasks`
  await db()`delete from executions`
  await db()`delete from claims`
  await db()`delete from workers`
  await db()`delete from total_stats`
  await db()`delete from task_stats`
  await db()`delete from late_settlements`
  await db()`
    update roll_up set totals_until = now(), tasks_until = now(), final_until = null, final_after = null, due_at = 'epoch'`
  await db()`delete from idempotency_keys`
  await db()`delete from sessions`
  await db()`delete from api_keys`
  await db()`select setval('tasks_id_seq', 1, false), setval('execution_ids', 1, false)`
}

/** The columns that `insertTask` writes to `task_state`. */
const STATE = [
  'next_run_at',
  'run_queued_at',
  'runs',
  'consecutive_failures',
  'paused_at',
  'paused_until',
  'pause_reason',
]

/** Inserts a 60-second interval task that is due in 2027, overridden by `given`. Returns the task's id. */
export async function insertTask(given: object = {}): Promise<number> {
  const row = {
    name: 'a',
    type: 'sleep',
    schedule_type: 'interval',
    interval_seconds: 60,
    next_run_at: '2027-03-10T00:00:00Z',
    ...given,
  }
  const [state, own] = [true, false].map((isState) =>
    Object.fromEntries(Object.entries(row).filter(([key]) => STATE.includes(key) === isState)),
  )
  const [task] = await db()<[{ id: number; definition: number }]>`
    insert into tasks ${db()({ ...own })} returning id, definition`
  await db()`insert into task_state ${db()({ ...state, task_id: task.id, definition: task.definition })}`
  return task.id
}

/** Inserts a successful execution of task 1 at this time, overridden by `given`. */
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

/** Returns the database's time plus this many seconds. Tests can't set the database's clock. */
export async function nowPlus(seconds: number): Promise<string> {
  const [row] = await db()<[{ at: Date }]>`
    select date_trunc('milliseconds', now() + make_interval(secs => ${seconds})) as at`
  return row.at.toISOString()
}

/** Opens an execution of `task_id` (default: 1). A queued one is unclaimed; a running one has a lease of one hour. */
export async function insertOpen(
  status: 'queued' | 'running',
  { task_id = 1, ...given }: { task_id?: number } & Record<string, unknown> = {},
): Promise<void> {
  const at = '2020-03-10T00:00:00Z'
  const claim_id = '9f1c3c0e-5b3a-4b8e-9d0f-000000000000'
  const held = { claim_id, started_at: at, busy_from: at }
  const row = {
    status,
    scheduled_for: at,
    due_at: at,
    attempt: 1,
    trigger: 'schedule',
    ...(status === 'running' ? held : { unheld_due_at: at }),
    ...given,
  }
  await db()`
    update task_state set ${db()(row)}, execution_id = nextval('execution_ids') where task_id = ${task_id}`
  if (status === 'running') {
    await db()`
      insert into claims (id, lease_expires_at, task_ids) values (${claim_id}, now() + interval '1 hour', array[${task_id}::int])`
  }
}

/** Resolves once at least this many statements in this database are waiting for a lock. */
export async function statementsWaiting(count: number): Promise<void> {
  for (;;) {
    const rows = await db()`
      select from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`
    if (rows.length >= count) return
  }
}

/** Cancels the statements in this database that are waiting for a lock, as the server does when they take too long. */
export const cancelWaiting = async (): Promise<unknown> =>
  await db()`
    select pg_cancel_backend(pid) from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`

/** Does something while another transaction holds the lock of a task's state. */
export async function whileLocked(taskId: number, work: (tx: Queryable) => Promise<void>): Promise<void> {
  await db().begin(async (tx) => {
    await tx`select from task_state where task_id = ${taskId} for update`
    await work(tx)
  })
}

/** Does something while no statement can change the state of a task. */
export async function whileBroken(taskId: number, work: () => Promise<void>): Promise<void> {
  await db().unsafe(`
    create function refuse() returns trigger language plpgsql as $$ begin raise exception 'refused'; end $$;
    create trigger refuse before update or delete on task_state
      for each row when (old.task_id = ${taskId}) execute function refuse()`)
  try {
    await work()
  } finally {
    await db()`drop function refuse() cascade`
  }
}

/** Ends every open execution as a success. */
export async function endOpen(): Promise<void> {
  await db()`
    with ended as (
      update task_state set status = null, unheld_due_at = null where status is not null returning *
    )
    insert into executions (id, task_id, scheduled_for, attempt, trigger, status, due_at, started_at, finished_at)
    select execution_id, task_id, scheduled_for, attempt, trigger, 'success', due_at, started_at, now() from ended`
}

/** Changes columns of every task, even to values that the API would reject. */
export async function changeTasks(columns: object): Promise<void> {
  await db()`
    with changed as (
      update tasks set ${db()({ ...columns })}, definition = nextval('definitions') returning id, definition
    )
    update task_state set definition = changed.definition from changed where task_id = changed.id`
}
