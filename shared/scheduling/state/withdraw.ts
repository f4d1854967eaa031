import type { Fragment, Queryable } from '../../db.ts'
import { freed } from './free.ts'

/** Returns the set list that withdraws an occurrence which was claimed and hasn't started: the cursor is back at it. */
export const withdrawn = (tx: Queryable): Fragment => tx`
  status = null, unheld_due_at = null, next_run_at = s.due_at, runs = s.runs - 1`

/** Returns the guard of that: the first attempt at a scheduled occurrence, which never ran. */
export const isUnrun = (tx: Queryable): Fragment => tx`
  s.status = 'queued' and s.trigger = 'schedule' and s.attempt = 1 and s.started_at is null`

/** Returns the guard of withdrawing for a change of the task: it isn't due yet. */
export const isAhead = (tx: Queryable): Fragment => tx`${isUnrun(tx)} and s.due_at > now()`

/**
 * Withdraws or frees what was claimed of a task and hasn't started, since its worker knows the task as it was: an
 * occurrence that isn't due yet comes again, and what is due is queued for the next claim. Returns where the cursor is
 * then.
 */
export async function withdrawUnstarted(tx: Queryable, taskId: number): Promise<Date | null> {
  await tx`
    update task_state s
    set ${withdrawn(tx)}
    where s.task_id = ${taskId} and ${isAhead(tx)}`
  await tx`
    update task_state s
    set ${freed(tx)}
    where s.task_id = ${taskId} and s.status = 'queued' and s.claim_id is not null`
  const [state] = await tx<[{ next_run_at: Date | null }]>`
    select next_run_at from task_state where task_id = ${taskId}`
  return state.next_run_at
}
