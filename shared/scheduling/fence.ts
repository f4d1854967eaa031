import type { Fragment, Queryable } from '../db.ts'

export type Held = { id: number; task_id: number; claim_id: string }

/** Claimed executions as rows of a statement: `c (task_id, execution_id, claim_id)`. */
export const held = (sql: Queryable, executions: Held[]): Fragment => sql`
  unnest(
    ${executions.map((it) => it.task_id)}::int[],
    ${executions.map((it) => it.id)}::bigint[],
    ${executions.map((it) => it.claim_id)}::uuid[]
  ) as c (task_id, execution_id, claim_id)`

/**
 * The fence: the row of `task_state` that is named `s` still has the open execution of `c`, under the same claim. A coalesce hides it from the
 * planner: statistics that were taken while nothing was open let it expect one such row in the whole table, and begin with reading that.
 */
export const fenced = (
  sql: Queryable,
  status: 'queued' | 'running',
  claimId = sql`c.claim_id`,
): Fragment => sql`
  s.task_id = c.task_id and coalesce(
    s.execution_id = c.execution_id and s.claim_id = ${claimId} and s.status = ${status}, false
  )`
