import { CronExpression, CronExpressionParser, type CronFieldCollection } from 'cron-parser'
import type { CronFields } from './cron-expression.ts'
import type { Field } from './cron-field.ts'
import type { MonthDay } from './day-rule.ts'

/** The days of a cron on a clock without changes. `matchesDay` is null where cron-parser alone is exact. */
export type Calendar = {
  fields: CronFieldCollection
  matchesDay: ((date: MonthDay) => boolean) | null
}

const SECOND = 1000
const DAY = 86_400 * SECOND
const FIRST_DATE = -8.64e15

/**
 * cron-parser walks plain lists of values, and never sees a time zone. It has no `W` and only one `#`, so for
 * `L`, `W` and `#` it walks every day they may pick, and `matchesDay` keeps the right ones.
 */
export function calendarOf(fields: CronFields): Calendar {
  const { second, minute, hour, dayOfMonth, month, dayOfWeek } = fields
  const text = [second, minute, hour, dayOfMonth, month, dayOfWeek].map(listValues).join(' ')
  const hasRules = dayOfMonth.rules.length > 0 || dayOfWeek.rules.length > 0
  return {
    fields: CronExpressionParser.parse(text, { tz: 'UTC', currentDate: 0 }).fields,
    matchesDay: hasRules ? (date) => matchesDay(fields, date) : null,
  }
}

/** The first matching wall time (milliseconds, as if UTC) after `after` and not after `until`, or null. */
export function nextWall(calendar: Calendar, after: number, until: number): number | null {
  const walk = CronExpression.fieldsToExpression(calendar.fields, {
    tz: 'UTC',
    currentDate: new Date(Math.max(after, FIRST_DATE)),
    endDate: new Date(until),
  })
  for (;;) {
    const wall = step(walk)
    if (wall === null || calendar.matchesDay === null || calendar.matchesDay(monthDayOf(wall))) return wall
    walk.reset(new Date(Math.floor(wall / DAY) * DAY + DAY - SECOND))
  }
}

/** cron-parser throws when nothing is left before its endDate, and after 10,000 steps, which no valid cron needs. */
function step(walk: CronExpression): number | null {
  try {
    return walk.next().getTime()
  } catch {
    return null
  }
}

/** How many wall times match from `from` until before `until` (milliseconds, as if UTC; whole seconds). */
export function countWalls(calendar: Calendar, from: number, until: number): number {
  let count = 0
  for (let day = Math.floor(from / DAY) * DAY; day < until; day += DAY) {
    if (!hasDay(calendar, day)) continue
    count +=
      timesBefore(calendar, Math.min(until - day, DAY)) - timesBefore(calendar, Math.max(from - day, 0))
  }
  return count
}

/** As cron-parser decides, and then by the rules. */
function hasDay({ fields, matchesDay }: Calendar, wall: number): boolean {
  const date = new Date(wall)
  if (!has(fields.month.values, date.getUTCMonth() + 1)) return false
  const { dayOfMonth, dayOfWeek } = fields
  const inMonth = has(dayOfMonth.values, date.getUTCDate())
  const inWeek = has(dayOfWeek.values, date.getUTCDay())
  const either = !dayOfMonth.isWildcard && !dayOfWeek.isWildcard
  if (either ? !inMonth && !inWeek : !inMonth || !inWeek) return false
  return matchesDay === null || matchesDay(monthDayOf(wall))
}

/** How many of a day's times come before so many milliseconds of it. */
function timesBefore({ fields }: Calendar, time: number): number {
  const seconds = time / SECOND
  const [hour, minute, second] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  const inMinute = has(fields.minute.values, minute) ? below(fields.second.values, second) : 0
  const perMinute = fields.second.values.length
  const inHour = has(fields.hour.values, hour)
    ? below(fields.minute.values, minute) * perMinute + inMinute
    : 0
  return below(fields.hour.values, hour) * fields.minute.values.length * perMinute + inHour
}

const has = (values: readonly unknown[], value: number): boolean => values.includes(value)
const below = (values: readonly number[], limit: number): number =>
  values.filter((value) => value < limit).length

function listValues({ text, values, rules }: Field): string {
  if (text === '*') return '*'
  return [...new Set([...values, ...rules.flatMap((rule) => rule.candidates)])].join(',')
}

/** Vixie: one of the two fields is enough when both are restricted, and only a bare `*` is no restriction. */
function matchesDay({ dayOfMonth, dayOfWeek }: CronFields, date: MonthDay): boolean {
  const inMonth = dayOfMonth.text !== '*' && holds(dayOfMonth, date.day, date)
  const inWeek = dayOfWeek.text !== '*' && holds(dayOfWeek, date.weekday, date)
  return inMonth || inWeek
}

function holds(field: Field, value: number, date: MonthDay): boolean {
  return field.values.includes(value) || field.rules.some((rule) => rule.matches(date))
}

function monthDayOf(wall: number): MonthDay {
  const date = new Date(wall)
  const lastDay = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate()
  return { day: date.getUTCDate(), weekday: date.getUTCDay(), lastDay }
}
