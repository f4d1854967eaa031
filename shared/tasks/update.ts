import { type Database, type Fragment, type Queryable, retryDeadlock } from '../db.ts'
import { AppError, notFound } from '../errors.ts'
import type { Precondition } from '../precondition.ts'
import type { ScheduleFields } from '../scheduling/schedule/schedule.ts'
import { scheduleColumns } from '../scheduling/state/schedule-columns.ts'
import { isAhead, withdrawUnstarted } from '../scheduling/state/withdraw.ts'
import { scheduleFields, withoutNulls } from './create.ts'
import { CLEARED_BY_NULL, DEFAULTS, fieldsAffecting } from './fields.ts'
import { getTask } from './get.ts'
import { checkParams, type TaskCreate, type TaskPatch } from './input.ts'
import { requireWithinLimits } from './limits.ts'
import { movesSchedule, reschedule, type Scheduled } from './reschedule.ts'
import type { Task } from './task.ts'

type Current = Scheduled & { type: string; version: number; timeout_seconds: number | null }

/**
 * Changes a task. If its schedule changes, the cursor is recalculated; occurrences that are already due stay due.
 * Throws `invalid` and `not_found`; `conflict` if the occurrence at `next_run_at` has already been handled; and
 * `precondition_failed` if `precondition` (If-Match) doesn't allow the task's version.
 */
export async function updateTask(
  sql: Database,
  id: number,
  patch: TaskPatch,
  precondition: Precondition,
): Promise<Task> {
  return await retryDeadlock(() =>
    sql.begin(async (tx) => {
      const current = await lockTask(tx, tx`t.id = ${id}::bigint`)
      if (!current) throw notFound('task', id)
      requireVersion(current.version, precondition)
      if (patch.next_run_at && (await isHandled(tx, id, patch.next_run_at))) throw handled(patch.next_run_at)
      return await change(tx, current, patch, patchedFields(current, patch))
    }),
  )
}

/**
 * Replaces a task by name; omitted fields get their defaults. If the occurrence at `next_run_at` has already been
 * handled, it doesn't run again, so the same input can be repeated. Returns undefined if there is no such task.
 */
export async function replaceTask(
  sql: Database,
  input: TaskCreate,
  precondition: Precondition,
): Promise<Task | undefined> {
  return await retryDeadlock(() =>
    sql.begin(async (tx) => {
      const current = await lockTask(tx, tx`t.name = ${input.name}`)
      if (!current) return undefined
      requireVersion(current.version, precondition)
      if (current.type !== input.type) {
        throw new AppError(
          'conflict',
          `task ${JSON.stringify(input.name)} has type ${current.type}, which can't be changed`,
        )
      }
      const again = input.next_run_at && (await isHandled(tx, current.id, input.next_run_at))
      const patch = { ...DEFAULTS, ...withoutNulls(input), ...(again && { next_run_at: null }) }
      return await change(tx, current, patch, scheduleFields(input))
    }),
  )
}

function requireVersion(version: number, precondition: Precondition): void {
  if (precondition === null || precondition === '*' || precondition.includes(version)) return
  throw new AppError('precondition_failed', `the task is at version ${version}`)
}

/** Locks the task's state first, so that neither a claim nor another change can interfere. */
async function lockTask(tx: Queryable, which: Fragment): Promise<Current | undefined> {
  const [state] = await tx<[{ task_id: number }?]>`
    select task_id from task_state
    where task_id = (select t.id from tasks t where ${which})
    for no key update`
  if (!state) return undefined
  const [current] = await tx<[Current?]>`
    select t.id, t.name, t.type, ${scheduleColumns(tx)}, s.next_run_at, t.max_runs, s.runs, t.timeout_seconds, t.version,
      now() as now
    from task_state s
    join tasks t on t.id = s.task_id
    where s.task_id = ${state.task_id}`
  return current
}

async function change(
  tx: Queryable,
  current: Current,
  patch: TaskPatch,
  fields: ScheduleFields,
): Promise<Task> {
  if (patch.params) checkParams(current.type, patch.params)
  await requireWithinLimits(tx, { ...patch, schedule: fields }, current)
  const plain = plainColumns(tx, patch)
  const changed = Object.keys(plain)
  const moves = movesSchedule(current, fields, patch)
  if (!moves && changed.length === 0) return await getTask(tx, current.id)
  if (!moves && !fieldsAffecting('runs').some((name) => changed.includes(name))) {
    await tx`
      update tasks
      set ${tx({ ...plain, updated_at: current.now })}, version = version + 1
      where id = ${current.id}`
    return await getTask(tx, current.id)
  }
  const next_run_at = await withdrawUnstarted(tx, current.id)
  if (moves) await reschedule(tx, { ...current, next_run_at }, fields, patch)
  await tx`
    with changed as (
      update tasks
      set ${tx({ ...plain, ...(moves && fields), updated_at: current.now })}, version = version + 1,
        definition = nextval('definitions')
      where id = ${current.id}
      returning id, definition
    )
    update task_state set definition = changed.definition from changed where task_id = changed.id`
  return await getTask(tx, current.id)
}

/**
 * Returns whether an occurrence has been handled. Since an occurrence only runs once, moving the cursor back to a
 * handled occurrence would silently do nothing. An occurrence that was claimed ahead can be withdrawn, so it doesn't
 * count as handled.
 */
async function isHandled(tx: Queryable, id: number, occurrence: Date): Promise<boolean> {
  const [row] = await tx<[{ handled: boolean }]>`
    select exists (
      select from executions where task_id = ${id} and scheduled_for = ${occurrence} and trigger = 'schedule'
    ) or exists (
      select from task_state s
      where s.task_id = ${id} and s.scheduled_for = ${occurrence} and s.trigger = 'schedule' and s.status is not null
        and not (${isAhead(tx)})
    ) as handled`
  return row.handled
}

function handled(occurrence: Date): AppError {
  return new AppError('conflict', `the occurrence ${occurrence.toISOString()} has already been handled`, {
    problems: [{ pointer: '#/next_run_at', detail: 'has already been handled' }],
  })
}

/** Returns the columns that a patch changes, except those of the schedule. */
function plainColumns(tx: Queryable, patch: TaskPatch) {
  const given = fieldsAffecting('runs', 'nothing').filter((name) => {
    const value = patch[name]
    return value !== undefined && (value !== null || CLEARED_BY_NULL.includes(name))
  })
  return Object.fromEntries(
    given.map((name) => [name, name === 'params' ? tx.json(patch.params as Json) : patch[name]]),
  )
}

type Json = Parameters<Queryable['json']>[0]

function patchedFields(current: Current, patch: TaskPatch): ScheduleFields {
  const type = patch.schedule_type ?? current.schedule_type
  const kept = type === current.schedule_type
  return {
    schedule_type: type,
    interval_seconds: patch.interval_seconds ?? (kept ? current.interval_seconds : null),
    interval_mode: patch.interval_mode ?? (kept ? current.interval_mode : 'fixed_rate'),
    cron_expression: patch.cron_expression ?? (kept ? current.cron_expression : null),
    timezone: patch.timezone ?? current.timezone,
    start_at: patch.start_at === undefined ? current.start_at : patch.start_at,
    end_at: patch.end_at === undefined ? current.end_at : patch.end_at,
    jitter_seconds: patch.jitter_seconds ?? current.jitter_seconds,
  }
}
