import type { Fragment, Queryable } from '../../db.ts'
import { freed } from './free.ts'

/** Returns the set list that takes back an occurrence that was claimed and has not started: its cursor is at it again. */
export const withdrawn = (tx: Queryable): Fragment => tx`
  status = null, unheld_due_at = null, next_run_at = s.due_at, runs = s.runs - 1`

/** Returns the guard of that: the first attempt at an occurrence of the schedule, which never ran. */
export const isUnrun = (tx: Queryable): Fragment => tx`
  s.status = 'queued' and s.trigger = 'schedule' and s.attempt = 1 and s.started_at is null`

/** Returns the guard of the same, of what is not due yet: it is taken back by a change of the task. */
export const isAhead = (tx: Queryable): Fragment => tx`${isUnrun(tx)} and s.due_at > now()`

/**
 * Takes back what was claimed of a task and has not started, since its worker knows the task as it was: an occurrence that is not
 * due yet is to come again, and what is due is queued for the next claim. Returns where the cursor is then.
 */
export async function withdrawClaimed(tx: Queryable, taskId: number): Promise<Date | null> {
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
