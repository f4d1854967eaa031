import { type Database, type Fragment, type Queryable, retryDeadlock } from '../../db.ts'
import { cancel, cancelPaused } from '../state/cancel.ts'
import { fenced, type Held } from '../state/fence.ts'
import { freeNeverRun } from '../state/free.ts'
import { isUnrun, withdrawn } from '../state/withdraw.ts'
import { reopenSchedules } from './reopen-schedule.ts'

/**
 * An execution whose start was written, but which hasn't begun. `definition`: the version of its task that would run.
 */
type Unbegun = Held & { task: { definition: number } }

/*
 * Each change that may stop an execution gets a number. A new version of a task has one anyway; pauses, cancellations
 * and deletions call `noteChange`, after they have locked the task's state. So if the number of the last change is
 * still what it was before a start was written, nothing has stopped that execution since.
 */

/** Takes the next number for a change. The rows that the change affects must be locked. */
export async function noteChange(tx: Queryable): Promise<void> {
  await tx`select nextval('definitions')`
}

/** Returns the number of the last change to any task. */
export async function lastChange(sql: Queryable): Promise<number> {
  const [{ last }] = await sql<[{ last: number }]>`select last_value as last from definitions`
  return last
}

/**
 * Stops executions that should no longer begin. If an execution was cancelled, it ends. If its task was paused, the
 * occurrence is withdrawn. If its task was changed, the execution is freed, and will be claimed with the new version.
 * The caller must not begin any of the executions before this function has returned. Returns the executions that may
 * begin. The others were stopped, or are no longer held.
 */
export async function stopUnwanted<T extends Unbegun>(sql: Database, executions: T[]): Promise<Set<T>> {
  return await retryDeadlock(() =>
    sql.begin(async (tx) => {
      const found = await lockHeld(tx, executions)
      const unwanted = found.filter(({ state }) => state.cancelled || state.paused || state.changed)
      await freeNeverRun(
        tx,
        unwanted.map((it) => it.execution),
      )
      const paused = unwanted.filter(({ state }) => state.paused && !state.cancelled)
      await withdrawPaused(
        tx,
        paused.map((it) => it.execution.task_id),
        tx`s.paused_at`,
      )
      for (const { execution } of unwanted.filter(({ state }) => state.cancelled)) {
        await cancel(tx, { id: execution.id, taskId: execution.task_id })
        await reopenSchedules(tx, [execution.task_id])
      }
      return new Set(found.filter((it) => !unwanted.includes(it)).map((it) => it.execution))
    }),
  )
}

type State = { place: number; cancelled: boolean; paused: boolean; changed: boolean }

/** Locks the states of the executions that are still held. */
async function lockHeld<T extends Unbegun>(
  tx: Queryable,
  executions: T[],
): Promise<{ execution: T; state: State }[]> {
  const states = await tx<State[]>`
    select c.place, s.cancel_requested_at is not null as cancelled,
      s.paused_at is not null and s.trigger = 'schedule' as paused, s.definition <> c.definition as changed
    from unnest(
      ${executions.map((it) => it.task_id)}::int[],
      ${executions.map((it) => it.id)}::bigint[],
      ${executions.map((it) => it.claim_id)}::uuid[],
      ${executions.map((it) => it.task.definition)}::bigint[]
    ) with ordinality as c (task_id, execution_id, claim_id, definition, place)
    join task_state s on ${fenced(tx, 'running')}
    order by s.task_id
    for no key update of s`
  return states.map((state) => ({ execution: executions[state.place - 1] as T, state }))
}

/**
 * For tasks that were paused at `pausedAt`, withdraws the queued occurrences that weren't due at that time, and cancels
 * the others. Occurrences of `once` tasks are always withdrawn. The rows must be locked.
 */
export async function withdrawPaused(tx: Queryable, taskIds: number[], pausedAt: Fragment): Promise<void> {
  await tx`
    update task_state s
    set ${withdrawn(tx)}
    from tasks t
    where s.task_id = any(${taskIds}::int[]) and t.id = s.task_id and ${isUnrun(tx)}
      and (s.due_at > ${pausedAt} or (t.schedule_type = 'once' and s.next_run_at is null))`
  await reopenSchedules(tx, await cancelPaused(tx, taskIds))
}
