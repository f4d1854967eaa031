import { createHash } from 'node:crypto'
import { AppError, invalid, type Problem } from '../../errors.ts'
import { type Cron, InvalidCron, isTimeZone, nextOccurrence, parseCron } from './cron/cron.ts'
import { shortestGap } from './cron/cron-calendar.ts'

export const SCHEDULE_TYPES = ['interval', 'once', 'cron'] as const
export const INTERVAL_MODES = ['fixed_rate', 'fixed_delay'] as const

/** The columns of a task that say when it is due. */
export type ScheduleFields = {
  schedule_type: (typeof SCHEDULE_TYPES)[number]
  interval_seconds: number | null
  interval_mode: (typeof INTERVAL_MODES)[number]
  cron_expression: string | null
  timezone: string
  start_at: Date | null
  end_at: Date | null
  jitter_seconds: number
}

type Rule =
  | { kind: 'interval'; milliseconds: number; mode: ScheduleFields['interval_mode'] }
  | { kind: 'once' }
  | { kind: 'cron'; cron: Cron; timezone: string }

/**
 * Occurrences are between `startAt` and `endAt`, both inclusive. No occurrence comes after `lastAt`, since its jitter
 * would move it beyond the year 9999.
 */
export type Schedule = Rule & { startAt: Date | null; endAt: Date | null; lastAt?: Date }

/** The last time that can be stored. PostgreSQL rejects the format in which JavaScript writes the year 10000. */
const LAST_INSTANT = new Date('9999-12-31T23:59:59.999Z')

/** Returns the schedule that a task's columns describe. */
export function readSchedule(fields: ScheduleFields): Schedule {
  const problems = [...ruleProblems(fields), ...boundProblems(fields)]
  if (problems.length > 0) throw invalid(problems)
  const lastAt = shift(LAST_INSTANT, -1000 * fields.jitter_seconds)
  return { ...readRule(fields), startAt: fields.start_at, endAt: fields.end_at, lastAt }
}

/**
 * Returns the schedule, or null if it can't be read, for example because someone edited it in the database, or because
 * this version of Node.js doesn't know its time zone.
 */
export function tryReadSchedule(fields: ScheduleFields): Schedule | null {
  try {
    return readSchedule(fields)
  } catch (error) {
    if (error instanceof AppError) return null
    throw error
  }
}

function readRule(fields: ScheduleFields): Rule {
  if (fields.interval_seconds !== null) {
    return { kind: 'interval', milliseconds: fields.interval_seconds * 1000, mode: fields.interval_mode }
  }
  if (fields.cron_expression === null) return { kind: 'once' }
  return { kind: 'cron', cron: readCron(fields.cron_expression), timezone: fields.timezone }
}

/** The field that each schedule type requires. Fields that only other types require must be null. */
const NEEDED = { interval: 'interval_seconds', once: null, cron: 'cron_expression' } as const

function ruleProblems(fields: ScheduleFields): Problem[] {
  const problems: Problem[] = []
  const needed = NEEDED[fields.schedule_type]
  for (const key of ['interval_seconds', 'cron_expression'] as const) {
    if (key === needed && fields[key] === null) {
      problems.push({
        pointer: `#/${key}`,
        detail: `is required when schedule_type is ${fields.schedule_type}`,
      })
    }
    if (key !== needed && fields[key] !== null) {
      problems.push({
        pointer: `#/${key}`,
        detail: `is not allowed when schedule_type is ${fields.schedule_type}`,
      })
    }
  }
  if (!isTimeZone(fields.timezone)) {
    problems.push({
      pointer: '#/timezone',
      detail: `${JSON.stringify(fields.timezone)} is not an IANA time zone`,
    })
  }
  return problems
}

function boundProblems({ schedule_type, interval_mode, start_at, end_at }: ScheduleFields): Problem[] {
  const wrong = (key: string, detail: string): Problem => ({ pointer: `#/${key}`, detail })
  const problems: Problem[] = []
  if (start_at && end_at && end_at < start_at) problems.push(wrong('end_at', 'is before start_at'))
  if (schedule_type !== 'interval' && interval_mode !== 'fixed_rate') {
    problems.push(wrong('interval_mode', `is not allowed when schedule_type is ${schedule_type}`))
  }
  if (schedule_type === 'once' && start_at)
    problems.push(wrong('start_at', 'is not allowed when schedule_type is once'))
  if (schedule_type === 'once' && end_at)
    problems.push(wrong('end_at', 'is not allowed when schedule_type is once'))
  return problems
}

/** Returns whether a time is within the schedule's bounds. */
export function isWithin(schedule: Schedule, at: Date): boolean {
  const { startAt, endAt } = schedule
  return (startAt === null || at >= startAt) && (endAt === null || at <= endAt) && !isBeyond(schedule, at)
}

const isBeyond = ({ lastAt = LAST_INSTANT }: Schedule, at: Date): boolean => at > lastAt

/**
 * How many years in the past a cron cursor may be. Counting a cron backlog visits every month in it, so
 * a thousand years would block the process for too long.
 */
const CRON_YEARS_BACK = 10
const YEAR_MS = 31_557_600_000

/**
 * Throws `invalid` for a first or next occurrence that is outside the schedule's bounds, or so far back that it must be
 * a mistake.
 */
export function requireWithin(schedule: Schedule, at: Date, now: Date): void {
  if (schedule.kind === 'cron' && now.getTime() - at.getTime() > CRON_YEARS_BACK * YEAR_MS) {
    throw invalid([{ pointer: '#/next_run_at', detail: `is more than ${CRON_YEARS_BACK} years ago` }])
  }
  if (isWithin(schedule, at)) return
  throw invalid([{ pointer: '#/next_run_at', detail: whyOutside(schedule, at) }])
}

function whyOutside(schedule: Schedule, at: Date): string {
  if (schedule.endAt !== null && at > schedule.endAt) return 'is after end_at'
  return isBeyond(schedule, at) ? 'is after the year 9999 once its jitter is added' : 'is before start_at'
}

const parsed = new Map<string, Cron>()
const PARSED_LIMIT = 10_000

/**
 * Parses an expression, or returns it from memory. Parsing takes longer than finding the next occurrence, and the same
 * expressions are needed again and again.
 */
function readCron(expression: string): Cron {
  const known = parsed.get(expression)
  if (known) return known
  try {
    const cron = parseCron(expression)
    if (parsed.size >= PARSED_LIMIT) parsed.clear()
    parsed.set(expression, cron)
    return cron
  } catch (error) {
    if (!(error instanceof InvalidCron)) throw error
    throw invalid([{ pointer: '#/cron_expression', detail: error.message }])
  }
}

/**
 * Returns the shortest time between two occurrences, in seconds, ignoring clock changes. Returns Infinity if a cron
 * schedule's occurrences are always more than a day apart, or if there is only one occurrence.
 */
export function shortestGapSeconds(schedule: Schedule): number {
  if (schedule.kind === 'interval') return schedule.milliseconds / 1000
  return schedule.kind === 'cron' ? shortestGap(schedule.cron.calendar) : Number.POSITIVE_INFINITY
}

/**
 * Returns the first occurrence of a new schedule. For an interval, that is `now` or, with a `startAt`, the first time
 * at or after `now` that is a whole number of intervals after `startAt`. Throws `invalid` if there is no occurrence,
 * and for `once`, whose time must be given.
 */
export function firstOccurrence(schedule: Schedule, now: Date): Date {
  if (schedule.kind === 'once') {
    throw invalid([{ pointer: '#/next_run_at', detail: 'is required when schedule_type is once' }])
  }
  const before = new Date(now.getTime() - 1)
  const first =
    schedule.kind === 'interval'
      ? nextAfter(schedule, schedule.startAt ?? now, before)
      : nextAfter(schedule, now, now)
  if (first !== null) return first
  const ended = schedule.endAt !== null
  throw invalid([
    ended
      ? { pointer: '#/end_at', detail: 'the schedule has no occurrences' }
      : { pointer: '#/cron_expression', detail: 'never fires' },
  ])
}

/**
 * Returns the first occurrence strictly after `after`, or null if there is none. `anchor` is one of the occurrences. An
 * interval's occurrences are at anchor + k × interval, so they never drift.
 */
export function nextAfter(schedule: Schedule, anchor: Date, after: Date): Date | null {
  const next = schedule.kind === 'once' ? null : unbounded(schedule, anchor, notBeforeStart(schedule, after))
  const isOver =
    next !== null && ((schedule.endAt !== null && next > schedule.endAt) || isBeyond(schedule, next))
  return isOver ? null : next
}

function notBeforeStart({ startAt }: Schedule, after: Date): Date {
  if (startAt === null || startAt <= after) return after
  return new Date(startAt.getTime() - 1)
}

function unbounded(schedule: Exclude<Rule, { kind: 'once' }>, anchor: Date, after: Date): Date | null {
  if (schedule.kind === 'cron') return nextOccurrence(schedule.cron, schedule.timezone, after)
  const steps = Math.floor((after.getTime() - anchor.getTime()) / schedule.milliseconds) + 1
  const next = new Date(anchor.getTime() + steps * schedule.milliseconds)
  return Number.isNaN(next.getTime()) ? null : next
}

/**
 * Returns how many milliseconds each occurrence of a task is delayed by. The delay is derived from a hash of the name,
 * so it is always the same. It spreads tasks with the same schedule over `jitterSeconds`, so that they do not all start
 * at once.
 */
export function jitterMs(name: string, jitterSeconds: number): number {
  if (jitterSeconds === 0) return 0
  const hash = createHash('sha256').update(name).digest().readUInt32BE(0)
  return Math.floor((hash / 2 ** 32) * jitterSeconds * 1000)
}

/** Returns `at`, moved by `milliseconds`. */
export function shift(at: Date, milliseconds: number): Date {
  return milliseconds === 0 ? at : new Date(at.getTime() + milliseconds)
}
