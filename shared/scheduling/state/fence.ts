import type { Fragment, Queryable } from '../../db.ts'
import { SMALL_SET } from '../../set-pools.ts'

/** What a fenced write must name: an execution and its claim. */
export type Held = { id: number; task_id: number; claim_id: string }

/** Returns claimed executions as a FROM item: `c (task_id, execution_id, claim_id)`. */
export const held = (sql: Queryable, executions: Held[]): Fragment => sql`
  unnest(
    ${executions.map((it) => it.task_id)}::int[],
    ${executions.map((it) => it.id)}::bigint[],
    ${executions.map((it) => it.claim_id)}::uuid[]
  ) as c (task_id, execution_id, claim_id)`

/**
 * Returns the fence: true while the row `s` of `task_state` still has the open execution of `c`, under the same claim.
 * The coalesce hides the condition from the planner. With statistics from a time when nothing was open, the planner
 * would expect a single matching row, and start by reading the whole table.
 */
export const fenced = (
  sql: Queryable,
  status: 'queued' | 'running',
  claimId = sql`c.claim_id`,
  also = sql`${status}`,
): Fragment => sql`
  s.task_id = c.task_id and coalesce(
    s.execution_id = c.execution_id and s.claim_id = ${claimId} and s.status in (${status}, ${also}), false
  )`

/**
 * Returns an additional condition for a fenced write of at most `SMALL_SET` rows. It makes the server find the rows by
 * key, whichever plan it uses. Larger writes are planned anew for each call, so they don't need it.
 */
export const byKey = (sql: Queryable, taskIds: number[]): Fragment =>
  taskIds.length > SMALL_SET ? sql`` : sql`and s.task_id = any(${taskIds}::int[])`
