import type { Queryable } from '../../db.ts'
import type { Skip } from '../schedule/plan.ts'

/** The columns of the row `s` of `task_state` that are copied to the ledger. */
export const ledgerColumns = (sql: Queryable) => sql`
  s.execution_id, s.task_id, s.scheduled_for, s.attempt, s.trigger, s.due_at, s.started_at, s.cancel_requested_at,
  s.rerun_of, s.status`

/**
 * Returns the insert that copies ended executions into the ledger, for a statement whose CTE `ended` has
 * `ledgerColumns`, `outcome`, `detail`, `error_code` and `result`. `startedAt`, `endedAt` and `lateReason` replace the
 * default expressions for these columns; `which` is a WHERE clause that selects some of the rows.
 */
export const intoLedger = (
  sql: Queryable,
  { which = sql``, startedAt = sql`started_at`, endedAt = sql`now()`, lateReason = sql`null` } = {},
) => sql`
  insert into executions (
    id, task_id, scheduled_for, attempt, trigger, status, due_at, started_at, finished_at, cancel_requested_at, rerun_of,
    detail, error_code, result, late_reason
  )
  select execution_id, task_id, scheduled_for, attempt, trigger, outcome, due_at, ${startedAt}, greatest(${endedAt}, ${startedAt}),
    cancel_requested_at, rerun_of, detail, error_code, result::jsonb, ${lateReason}
  from ended
  ${which}`

/** Records occurrences that don't run. */
export async function insertSkips(tx: Queryable, skips: (Skip & { taskId: number })[]): Promise<void> {
  if (skips.length === 0) return
  await tx`
    insert into executions
      (task_id, scheduled_for, due_at, status, finished_at, skip_reason, skipped_until, skipped_count)
    select task_id, to_timestamp(first / 1000), to_timestamp(first / 1000), 'skipped', now(), reason,
      to_timestamp(last / 1000), count
    from unnest(
      ${skips.map((it) => it.taskId)}::int[],
      ${skips.map((it) => it.reason)}::text[],
      ${skips.map((it) => it.first.getTime())}::float8[],
      ${skips.map((it) => it.last.getTime())}::float8[],
      ${skips.map((it) => it.count)}::bigint[]
    ) as s (task_id, reason, first, last, count)
    on conflict do nothing`
}

/**
 * Returns a FROM item with the states `s` of tasks that may have an open execution: tasks that a claim names, and tasks
 * that wait for a claim. Each state is looked up by its key (`offset 0` prevents any other plan). Few executions are
 * open, but before `claims` has statistics, the planner expects thousands and would read all of `task_state`.
 */
export const maybeOpen = (sql: Queryable) => sql`
  (
    select unnest(c.task_ids) as task_id from claims c
    union
    select w.task_id from task_state w where w.unheld_due_at is not null
  ) o
  cross join lateral (select * from task_state t where t.task_id = o.task_id offset 0) s`
