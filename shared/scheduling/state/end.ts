import type { Fragment, Queryable } from '../../db.ts'

/** Returns the set list that ends an execution. What it was is taken over into the ledger by the same statement. */
export const ended = (sql: Queryable): Fragment => sql`status = null, unheld_due_at = null`

/** Returns what the end of one that ran sets besides: what came due until now overlapped. */
export const ranUntilNow = (sql: Queryable): Fragment => sql`busy_until = greatest(now(), s.started_at)`

/**
 * Returns `runs` without an occurrence that ends here and never ran: it doesn't count for `max_runs`. For rows that are still
 * queued; one with a `started_at` was handed back, and has run.
 */
export const runsWithoutUnrun = (sql: Queryable): Fragment => sql`
  s.runs - (s.attempt = 1 and s.trigger = 'schedule' and s.started_at is null)::int`
