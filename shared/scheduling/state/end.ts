import type { Fragment, Queryable } from '../../db.ts'

/** Returns the set list that ends an execution. The same statement copies it into the ledger. */
export const ended = (sql: Queryable): Fragment => sql`status = null, unheld_due_at = null`

/** Returns what else to set when an execution ends that has run: whatever came due until now overlapped. */
export const ranUntilNow = (sql: Queryable): Fragment => sql`busy_until = greatest(now(), s.started_at)`

/**
 * Returns `runs` without an occurrence that ends here and never ran, since it doesn't count for `max_runs`. For rows
 * that are still queued. One with a `started_at` was handed back, and has run.
 */
export const runsWithoutUnrun = (sql: Queryable): Fragment => sql`
  s.runs - (s.attempt = 1 and s.trigger = 'schedule' and s.started_at is null)::int`
