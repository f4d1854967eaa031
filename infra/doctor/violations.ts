import { CronExpressionParser } from 'cron-parser'
import type { ISql, PendingQuery, Row } from 'postgres'

/** An invariant, and a row that violates it. */
export type Violation = { invariant: string; row: Record<string, unknown> }

export type Examined = {
  /** Up to `SHOWN` for each invariant. */
  violations: Violation[]
  /** Number of rows that violate each invariant. */
  counts: Record<string, number>
}

/** Maximum number of rows listed for each invariant. */
const SHOWN = 20

type Sql = ISql

/**
 * Finds rows that violate the invariants in docs/state-machine.md, in the snapshot of the caller's transaction. Doesn't
 * use the scheduler's code, so that it can't have the scheduler's bugs.
 */
export async function examine(sql: Sql, leaseSeconds: number): Promise<Examined> {
  const examined: Examined = { violations: [], counts: {} }
  for (const [invariant, rows] of Object.entries(invariants(sql, leaseSeconds))) {
    const found = await sql<(Row & { total: number })[]>`
      select v.*, count(*) over ()::int as total from (${rows}) v limit ${SHOWN}`
    for (const { total, ...row } of found) {
      examined.counts[invariant] = total
      examined.violations.push({ invariant, row })
    }
  }
  await examineCrons(sql, examined)
  return examined
}

const invariants = (sql: Sql, leaseSeconds: number): Record<string, PendingQuery<Row[]>> => ({
  'an open execution is held by a claim that names its task': sql`
    select s.task_id, s.execution_id, s.status, s.claim_id, c.id is not null as claim_exists
    from task_state s
    left join claims c on c.id = s.claim_id
    where s.status is not null and s.claim_id is not null and (c.id is null or s.task_id <> all(c.task_ids))`,
  'a claim whose lease has expired is recovered within two leases': sql`
    select id as claim_id, lease_expires_at::text, cardinality(task_ids) as tasks
    from claims
    where lease_expires_at < clock_timestamp() - 2 * make_interval(secs => ${leaseSeconds})`,
  'a running execution has a claim and a start time': sql`
    select task_id, execution_id from task_state
    where status = 'running' and (claim_id is null or started_at is null)`,
  'the index of unheld executions has exactly the queued executions that no claim holds': sql`
    select task_id, execution_id, status, claim_id, unheld_due_at::text from task_state
    where (unheld_due_at is not null) <> (coalesce(status, '') = 'queued' and claim_id is null)
      or unheld_due_at <> due_at`,
  'an open execution has a unique id': sql`
    select execution_id, array_agg(task_id) as task_ids from task_state
    where status is not null
    group by execution_id
    having count(*) > 1 or execution_id is null`,
  'an open execution is not in the ledger': sql`
    select s.task_id, s.execution_id, e.status as ended from task_state s
    join executions e on e.id = s.execution_id
    where s.status is not null`,
  'the ledger has only finished executions': sql`
    select id, task_id, scheduled_for::text, trigger, attempt, status from executions
    where status in ('queued', 'running')`,
  'every task has a state': sql`
    select t.id as task_id from tasks t left join task_state s on s.task_id = t.id where s.task_id is null`,
  'an interval has a cursor while occurrences are left': sql`
    select t.id as task_id, t.name, s.status, s.runs, t.max_runs, t.end_at::text
    from task_state s
    join tasks t on t.id = s.task_id
    where s.next_run_at is null and t.schedule_type = 'interval' and ${hasRunsLeft(sql)} and (
      t.end_at is null
      or t.end_at > greatest(now(), s.scheduled_for, s.busy_until) + make_interval(secs => t.interval_seconds::float8 + t.jitter_seconds)
    )`,
  'a task that runs once has a cursor until it has run': sql`
    select t.id as task_id, t.name from task_state s
    join tasks t on t.id = s.task_id
    where s.next_run_at is null and t.schedule_type = 'once' and s.status is null and s.runs = 0
      and not exists (select from executions e where e.task_id = t.id)`,
  'a paused task has no queued executions from its schedule': sql`
    select task_id, execution_id, paused_at::text, pause_reason from task_state
    where paused_at is not null and status = 'queued' and trigger = 'schedule'`,
})

const hasRunsLeft = (sql: Sql): PendingQuery<Row[]> => sql`(t.max_runs is null or s.runs < t.max_runs)`

const CRON = 'a cron schedule has a cursor while occurrences are left'
const CRONS_AT_ONCE = 500

/**
 * Checks the cron tasks that have no cursor. SQL can't decide whether such a task has another occurrence, so
 * cron-parser does. Calling it for each of these tasks is cheap enough, because there are few of them.
 */
async function examineCrons(sql: Sql, { violations, counts }: Examined): Promise<void> {
  const ended = sql<CronTask[]>`
    select t.id as task_id, t.name, t.cron_expression, t.timezone, t.end_at, greatest(now(), s.scheduled_for) as after
    from task_state s
    join tasks t on t.id = s.task_id
    where s.next_run_at is null and t.schedule_type = 'cron' and ${hasRunsLeft(sql)}`
  for await (const tasks of ended.cursor(CRONS_AT_ONCE)) {
    for (const task of tasks) {
      const next = nextOf(task)
      if (next === null || (task.end_at !== null && next > task.end_at)) continue
      counts[CRON] = (counts[CRON] ?? 0) + 1
      const { task_id, name, cron_expression } = task
      if (counts[CRON] <= SHOWN) {
        violations.push({
          invariant: CRON,
          row: { task_id, name, cron_expression, next: next.toISOString() },
        })
      }
    }
  }
}

type CronTask = {
  task_id: number
  name: string
  cron_expression: string
  timezone: string
  end_at: Date | null
  after: Date
}

/**
 * Returns the next occurrence according to cron-parser alone, or null if cron-parser finds none or can't read the
 * expression.
 */
function nextOf({ cron_expression, timezone, after }: CronTask): Date | null {
  try {
    return CronExpressionParser.parse(cron_expression, { currentDate: after, tz: timezone }).next().toDate()
  } catch {
    return null
  }
}
