import type { Queryable } from '../db.ts'
import { invalid } from '../errors.ts'
import { insertSkip } from '../scheduling/pause.ts'
import { skipAll } from '../scheduling/plan.ts'
import {
  isWithin,
  jitterMs,
  nextAfter,
  readSchedule,
  requireWithin,
  type Schedule,
  type ScheduleFields,
  shift,
  tryReadSchedule,
} from '../scheduling/schedule.ts'
import type { TaskPatch } from './input.ts'

/** A locked task, as far as its schedule goes; `now` is the database's. */
export type Scheduled = ScheduleFields & {
  id: number
  name: string
  next_run_at: Date | null
  max_runs: number | null
  runs: number
  now: Date
}

/** The columns of a changed schedule; none when it stays as it was, however many of its fields were named. */
export async function scheduleColumns(
  tx: Queryable,
  current: Scheduled,
  fields: ScheduleFields,
  patch: TaskPatch,
) {
  const given = patch.next_run_at ?? null
  const keys = Object.keys(fields) as (keyof ScheduleFields)[]
  if (isSame(current, fields, keys) && !given && !goesOn(current, patch)) return {}
  const withdrawn = await withdrawAhead(tx, current.id)
  const last = await lastOccurrence(tx, current.id)
  const next_run_at = withdrawn ?? current.next_run_at
  const next = nextRun({ ...current, next_run_at }, fields, given, last)
  await recordDropped(tx, { ...current, next_run_at }, next)
  return { ...fields, next_run_at: next }
}

/** What was due under the old schedule, and under the new one isn't: `ended`, as the schedule that it belonged to has. */
async function recordDropped(tx: Queryable, current: Scheduled, next: Date | null): Promise<void> {
  const cursor = nominal(current)
  const schedule = tryReadSchedule(current)
  if (cursor === null || schedule === null || (next !== null && next <= current.now)) return
  const now = shift(current.now, -jitterMs(current.name, current.jitter_seconds))
  for (const skip of skipAll(schedule, cursor, now, 'ended').skips) await insertSkip(tx, current.id, skip)
}

const isSame = (current: ScheduleFields, fields: ScheduleFields, keys: (keyof ScheduleFields)[]): boolean =>
  keys.every((key) => fields[key]?.valueOf() === current[key]?.valueOf())

/** A schedule that had ended with its last run has some left. */
function goesOn({ max_runs: limit, runs }: Scheduled, { max_runs: given }: TaskPatch): boolean {
  return limit !== null && runs >= limit && given !== undefined && (given === null || given > runs)
}

/**
 * What was claimed before its instant belongs to the new schedule again: not due yet, it needs no account. Gives when it was
 * to start.
 */
async function withdrawAhead(tx: Queryable, taskId: number): Promise<Date | null> {
  const [withdrawn] = await tx<[{ due_at: Date }?]>`
    with withdrawn as (
      delete from executions
      where task_id = ${taskId} and status = 'queued' and trigger = 'schedule' and attempt = 1
        and scheduled_for > now()
      returning task_id, due_at
    )
    update tasks t
    set runs = t.runs - 1
    from withdrawn w
    where t.id = w.task_id
    returning w.due_at`
  return withdrawn?.due_at ?? null
}

/** The last occurrence that was claimed. */
async function lastOccurrence(tx: Queryable, taskId: number): Promise<Date | null> {
  const [last] = await tx<[{ at: Date | null }]>`
    select max(coalesce(skipped_until, scheduled_for)) as at
    from executions
    where task_id = ${taskId} and trigger = 'schedule'`
  return last.at
}

/** What decides on the instants themselves: the other fields only bound or move them. */
const RULE = ['schedule_type', 'interval_seconds', 'cron_expression', 'timezone', 'start_at'] as const

/**
 * Where the cursor goes. It stays at its occurrence while the rule is the same, and also when that one has come, since it is
 * owed; but never outside the bounds. Else an interval keeps its rate from its last occurrence.
 */
function nextRun(
  current: Scheduled,
  fields: ScheduleFields,
  given: Date | null,
  last: Date | null,
): Date | null {
  const schedule = readSchedule(fields)
  const jitter = jitterMs(current.name, fields.jitter_seconds)
  const { now } = current
  const cursor = nominal(current)
  const sameKind = fields.schedule_type === current.schedule_type
  if (given) {
    requireWithin(schedule, given)
    return shift(given, jitter)
  }
  const within = cursor !== null && isWithin(schedule, cursor)
  if (within && cursor <= now) return shift(cursor, jitter)
  if (cursor !== null && isSame(current, fields, [...RULE])) return within ? shift(cursor, jitter) : null
  if (schedule.kind === 'once') {
    if (sameKind) return cursor
    throw invalid([{ pointer: '#/next_run_at', detail: 'is required when schedule_type is once' }])
  }
  const next = nextFrom(schedule, fields.start_at ?? last ?? (sameKind ? cursor : null) ?? now, now)
  return next && shift(next, jitter)
}

/** An interval whose anchor still lies ahead begins there. */
function nextFrom(schedule: Schedule, anchor: Date, now: Date): Date | null {
  const waits = schedule.kind === 'interval' && anchor >= now && isWithin(schedule, anchor)
  return waits ? anchor : nextAfter(schedule, anchor, now)
}

function nominal(current: Scheduled): Date | null {
  return current.next_run_at && shift(current.next_run_at, -jitterMs(current.name, current.jitter_seconds))
}
