import type { Queryable } from '../db.ts'
import { invalid } from '../errors.ts'
import { skipAll } from '../scheduling/schedule/plan.ts'
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
} from '../scheduling/schedule/schedule.ts'
import { cursorAt } from '../scheduling/state/cursor.ts'
import { insertSkips } from '../scheduling/state/ledger.ts'
import type { TaskPatch } from './input.ts'

/** The schedule of a locked task. `now` is the database's time. */
export type Scheduled = ScheduleFields & {
  id: number
  name: string
  next_run_at: Date | null
  max_runs: number | null
  runs: number
  now: Date
}

/**
 * Returns whether a change moves the cursor: it changes the schedule, sets `next_run_at`, or continues a schedule that
 * had ended. Setting a field to its current value isn't a change.
 */
export function movesSchedule(current: Scheduled, fields: ScheduleFields, patch: TaskPatch): boolean {
  const keys = Object.keys(fields) as (keyof ScheduleFields)[]
  return !isSame(current, fields, keys) || (patch.next_run_at ?? null) !== null || goesOn(current, patch)
}

/** Sets the cursor for a changed schedule, and records the occurrences that were due but no longer are. */
export async function reschedule(
  tx: Queryable,
  current: Scheduled,
  fields: ScheduleFields,
  patch: TaskPatch,
): Promise<void> {
  const last = await lastOccurrence(tx, current.id)
  const next = nextRun(current, fields, patch.next_run_at ?? null, last)
  await recordDropped(tx, current, next)
  await tx`update task_state s set ${cursorAt(tx, tx`${next}`)} where s.task_id = ${current.id}`
}

/**
 * Skips occurrences that were due under the old schedule but aren't under the new one. The reason is `ended`, since the
 * old schedule has ended.
 */
async function recordDropped(tx: Queryable, current: Scheduled, next: Date | null): Promise<void> {
  const cursor = nominal(current)
  const schedule = tryReadSchedule(current)
  if (cursor === null || schedule === null || (next !== null && next <= current.now)) return
  const now = shift(current.now, -jitterMs(current.name, current.jitter_seconds))
  const { skips } = skipAll(schedule, cursor, now, 'ended')
  await insertSkips(
    tx,
    skips.map((skip) => ({ taskId: current.id, ...skip })),
  )
}

const isSame = (current: ScheduleFields, fields: ScheduleFields, keys: (keyof ScheduleFields)[]): boolean =>
  keys.every((key) => fields[key]?.valueOf() === current[key]?.valueOf())

/** Returns whether a change to `max_runs` continues a schedule that had ended after its last run. */
function goesOn({ max_runs: limit, runs, next_run_at }: Scheduled, { max_runs: given }: TaskPatch): boolean {
  const ended = limit !== null && next_run_at === null
  return ended && given !== undefined && (given === null || given > runs)
}

/** Returns the last scheduled occurrence that was claimed or skipped. */
async function lastOccurrence(tx: Queryable, taskId: number): Promise<Date | null> {
  const [last] = await tx<[{ at: Date | null }]>`
    select greatest(
      (
        select coalesce(skipped_until, scheduled_for) from executions
        where task_id = ${taskId} and trigger = 'schedule'
        order by scheduled_for desc
        limit 1
      ),
      (
        select scheduled_for from task_state
        where task_id = ${taskId} and trigger = 'schedule' and status is not null
      )
    ) as at`
  return last.at
}

/** The fields that determine the occurrences. The other fields only limit or delay occurrences. */
const RULE = ['schedule_type', 'interval_seconds', 'cron_expression', 'timezone', 'start_at'] as const

/**
 * Returns the new cursor: `given`, if it is set. Otherwise, the cursor stays at its occurrence if that occurrence is
 * within the new bounds, and either the rule is unchanged or the occurrence is already due. If the rule is unchanged
 * but the occurrence is outside the new bounds, the schedule ends. In all other cases, returns the new rule's next
 * occurrence or, for `once`, the existing one.
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
    requireWithin(schedule, given, now)
    return shift(given, jitter)
  }
  const within = cursor !== null && isWithin(schedule, cursor)
  if (within && cursor <= now) return shift(cursor, jitter)
  if (cursor !== null && isSame(current, fields, [...RULE])) return within ? shift(cursor, jitter) : null
  if (schedule.kind === 'once') {
    if (sameKind) return cursor && shift(cursor, jitter)
    throw invalid([{ pointer: '#/next_run_at', detail: 'is required when schedule_type is once' }])
  }
  const next = nextFrom(schedule, anchorOf(current, fields, last), now, last)
  return next && shift(next, jitter)
}

/**
 * Returns the next occurrence. An interval whose anchor is in the future starts at the anchor, unless that occurrence
 * has already been claimed.
 */
function nextFrom(schedule: Schedule, anchor: Date, now: Date, last: Date | null): Date | null {
  const claimed = last !== null && anchor <= last
  const waits = schedule.kind === 'interval' && anchor >= now && !claimed && isWithin(schedule, anchor)
  return waits ? anchor : nextAfter(schedule, anchor, claimed && last > now ? last : now)
}

/**
 * Returns the time from which intervals are counted. The cursor isn't used if `start_at` is being removed, since the
 * cursor may still be at the old `start_at`.
 */
function anchorOf(current: Scheduled, fields: ScheduleFields, last: Date | null): Date {
  const keepsCursor =
    fields.schedule_type === current.schedule_type && !(current.start_at && !fields.start_at)
  return fields.start_at ?? last ?? (keepsCursor ? nominal(current) : null) ?? current.now
}

function nominal(current: Scheduled): Date | null {
  return current.next_run_at && shift(current.next_run_at, -jitterMs(current.name, current.jitter_seconds))
}
