import type { Fragment, Queryable } from '../../db.ts'

/**
 * Returns the SET clause that opens a scheduled occurrence where `p.opens` is true; other rows keep their values. `p`
 * contains the occurrence (`run` and `due`, in milliseconds since 1970), the index of its claim, a flag `starts` that
 * says whether the claim also starts it, and `at`, the start time.
 */
export const openedBySchedule = (sql: Queryable, claimIds: string[]): Fragment => sql`
  runs = s.runs + p.opens::int,
  status = case when p.starts then 'running' when p.opens then 'queued' end,
  execution_id = case when p.opens then nextval('execution_ids') else s.execution_id end,
  scheduled_for = case when p.opens then to_timestamp(p.run / 1000) else s.scheduled_for end,
  due_at = case when p.opens then to_timestamp(p.due / 1000) else s.due_at end,
  attempt = case when p.opens then 1 else s.attempt end,
  trigger = case when p.opens then 'schedule' else s.trigger end,
  claim_id = case when p.opens then (${claimIds}::uuid[])[p.claim + 1] else s.claim_id end,
  started_at = case when p.starts then p.at when p.opens then null else s.started_at end,
  busy_from = case when p.starts then p.at else s.busy_from end,
  cancel_requested_at = case when p.opens then null else s.cancel_requested_at end,
  rerun_of = case when p.opens then null else s.rerun_of end,
  failures = case when p.opens then 0 else s.failures end,
  losses = case when p.opens then 0 else s.losses end`

export type ManualTrigger = 'manual' | 'rerun'

/**
 * Returns the SET clause that opens a manual run, which any worker can claim. Even two runs within the same millisecond
 * get different values of `scheduled_for`.
 */
export const openedManually = (sql: Queryable, trigger: ManualTrigger, rerunOf: Fragment): Fragment => sql`
  status = 'queued', execution_id = nextval('execution_ids'), attempt = 1, trigger = ${trigger},
  rerun_of = ${rerunOf}, claim_id = null, started_at = null, cancel_requested_at = null, failures = 0, losses = 0,
  due_at = now(), unheld_due_at = now(),
  scheduled_for = case
    when s.trigger = ${trigger} and s.scheduled_for <= now() then greatest(now(), s.scheduled_for + interval '1 ms')
    else now()
  end`

/** Returns the guard for opening an execution: the task has no open execution. Its row has room for only one. */
export const nothingOpen = (sql: Queryable): Fragment => sql`s.status is null`

/** Returns the SET clause that queues a manual run behind the open execution. */
export const runQueued = (sql: Queryable): Fragment => sql`run_queued_at = coalesce(s.run_queued_at, now())`

/** Returns the SET clause to add to `openedManually` when the queued manual run is opened. */
export const noRunQueued = (sql: Queryable): Fragment => sql`run_queued_at = null`
