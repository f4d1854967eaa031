import type { Fragment, Queryable } from '../../db.ts'

/**
 * Returns the SET clause that ends an execution. The statement that uses it must also copy the execution into the
 * ledger.
 */
export const ended = (sql: Queryable): Fragment => sql`status = null, unheld_due_at = null`

/**
 * Returns the SET clause to add if the execution ran until `end`. Any occurrence that came due in the meantime
 * overlapped with it.
 */
export const ranUntil = (sql: Queryable, end = sql`now()`): Fragment =>
  sql`busy_until = greatest(${end}, s.started_at)`

/**
 * Returns `runs`, minus one if the occurrence that ends here never ran, since it then doesn't count toward `max_runs`.
 * Only for rows that are still queued. A queued row with a `started_at` was handed back, so it has run.
 */
export const runsWithoutUnrun = (sql: Queryable): Fragment => sql`
  s.runs - (s.attempt = 1 and s.trigger = 'schedule' and s.started_at is null)::int`
