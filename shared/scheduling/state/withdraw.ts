import type { Fragment, Queryable } from '../../db.ts'
import { cursorAt } from './cursor.ts'
import { freed } from './free.ts'

/**
 * Returns the SET clause that withdraws an occurrence that was claimed but hasn't started: the cursor moves back to it.
 */
export const withdrawn = (tx: Queryable): Fragment => tx`
  status = null, unheld_due_at = null, ${cursorAt(tx, tx`s.due_at`)}, runs = s.runs - 1`

/** Returns the guard for withdrawing: the execution is the first attempt at a scheduled occurrence, and never ran. */
export const isUnrun = (tx: Queryable): Fragment => tx`
  s.status = 'queued' and s.trigger = 'schedule' and s.attempt = 1 and s.started_at is null`

/** Returns the guard for withdrawing when the task changes: the occurrence isn't due yet. */
export const isAhead = (tx: Queryable): Fragment => tx`${isUnrun(tx)} and s.due_at > now()`

/**
 * Withdraws a task's execution if it isn't due yet. Otherwise frees it if it is claimed but hasn't started, since its
 * worker knows only the task's previous version. Returns the cursor.
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
