import type { Queryable } from '../db.ts'

/** What a statement sets to take back an occurrence that was claimed and has not started: its cursor is at it again. */
export const withdrawn = (tx: Queryable) => tx`
  status = null, unheld_due_at = null, next_run_at = s.due_at, runs = s.runs - 1`

/**
 * Takes back what was claimed of a task and has not started, since its worker knows the task as it was: an occurrence that is not
 * due yet is to come again, and what is due is queued for the next claim. Gives where the cursor is then.
 */
export async function withdrawClaimed(tx: Queryable, taskId: number): Promise<Date | null> {
  await tx`
    update task_state s
    set ${withdrawn(tx)}
    where s.task_id = ${taskId} and s.status = 'queued' and s.trigger = 'schedule' and s.attempt = 1
      and s.due_at > now()`
  await tx`
    update task_state s
    set claim_id = null, unheld_due_at = s.due_at
    where s.task_id = ${taskId} and s.status = 'queued' and s.claim_id is not null`
  const [state] = await tx<[{ next_run_at: Date | null }]>`
    select next_run_at from task_state where task_id = ${taskId}`
  return state.next_run_at
}
