import type { Fragment, Queryable } from '../../db.ts'

/**
 * Returns the guard for continuing an occurrence whose execution failed, was lost or was handed back: the execution
 * wasn't asked to stop, and its task isn't paused. A pause doesn't stop manual runs.
 */
export const mayGoOn = (sql: Queryable): Fragment => sql`
  s.cancel_requested_at is null and (s.paused_at is null or s.trigger <> 'schedule')`

/** The ledger's detail for executions that a pause cancelled. */
export const PAUSED = 'the task was paused'

/**
 * Queues the next attempts of `once` tasks that are being resumed, if the pause came while their only occurrence was
 * waiting for a retry, or after its execution was lost. Nothing else would bring that occurrence back. The rows must be
 * locked.
 */
export async function requeueCutShort(tx: Queryable, taskIds: number[]): Promise<void> {
  await tx`
    update task_state s
    set status = 'queued', execution_id = nextval('execution_ids'), attempt = s.attempt + 1, claim_id = null,
      started_at = null, cancel_requested_at = null, due_at = now(), unheld_due_at = now()
    from tasks t, executions e
    where s.task_id = any(${taskIds}::int[]) and t.id = s.task_id and t.schedule_type = 'once'
      and s.status is null and s.next_run_at is null and s.trigger = 'schedule'
      and e.id = s.execution_id and (e.status = 'lost' or (e.status = 'cancelled' and e.detail = ${PAUSED}))`
}

/** An ended execution whose occurrence is tried again in `inSeconds`. `failed`: whether it counts as a failure. */
export type Again = { id: number; task_id: number; inSeconds: number; failed: boolean }

/**
 * Queues the next attempts of executions that this transaction has just ended, unless they were asked to stop or their
 * tasks are paused.
 */
export async function requeue(tx: Queryable, again: Again[]): Promise<void> {
  if (again.length === 0) return
  await tx`
    update task_state s
    set status = 'queued', execution_id = nextval('execution_ids'), attempt = s.attempt + 1,
      failures = s.failures + o.failed, claim_id = null, started_at = null,
      due_at = statement_timestamp() + make_interval(secs => o.in_seconds),
      unheld_due_at = statement_timestamp() + make_interval(secs => o.in_seconds)
    from unnest(
      ${again.map((it) => it.task_id)}::int[],
      ${again.map((it) => it.id)}::bigint[],
      ${again.map((it) => it.inSeconds)}::float8[],
      ${again.map((it) => (it.failed ? 1 : 0))}::int[]
    ) as o (task_id, execution_id, in_seconds, failed)
    where s.task_id = o.task_id and coalesce(s.execution_id = o.execution_id and s.status is null, false)
      and ${mayGoOn(tx)}`
}
