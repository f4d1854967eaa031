import { CronExpressionParser, type CronFieldCollection } from 'cron-parser'
import { civilOf, dayNumber, lengthOf, weekdayOf } from './civil.ts'
import type { CronFields } from './cron-expression.ts'
import type { Field, MonthDay } from './cron-field.ts'

/** The days and times of a cron expression, on a clock that never changes. */
export type Calendar = {
  fields: CronFieldCollection
  /** Handles `L`, `W` and `#`, which no list of values can express; null if the expression has none of them. */
  matchesDay: ((date: MonthDay) => boolean) | null
  /**
   * The matching days of a month as bits, cached by the month's length and first weekday: there are 28 kinds of month.
   */
  days: Map<number, number>
}

const SECOND = 1000
const DAY = 86_400 * SECOND
const FIRST_DATE = -8.64e15

/**
 * Returns an expression's calendar. cron-parser gets only plain lists of values, since it doesn't support `W` and
 * allows only one `#`. For `L`, `W` and `#`, the list has every day that they may pick, and `matchesDay` selects the
 * right ones. `nextWall` steps through the months itself, since cron-parser would check every single day for up to 40
 * years.
 */
export function calendarOf(fields: CronFields): Calendar {
  const { second, minute, hour, dayOfMonth, month, dayOfWeek } = fields
  const text = [second, minute, hour, dayOfMonth, month, dayOfWeek].map(listValues).join(' ')
  const hasRules = dayOfMonth.rules.length > 0 || dayOfWeek.rules.length > 0
  return {
    fields: CronExpressionParser.parse(text, { tz: 'UTC', currentDate: 0 }).fields,
    matchesDay: hasRules ? (date) => matchesDay(fields, date) : null,
    days: new Map(),
  }
}

/**
 * Returns the first matching wall time after `after` and up to `until`, or null. A wall time is represented by the
 * timestamp, in milliseconds, at which a UTC clock shows that time.
 */
export function nextWall(calendar: Calendar, after: number, until: number): number | null {
  const from = Math.floor(Math.max(after, FIRST_DATE) / SECOND) * SECOND + SECOND
  const start = Math.floor(from / DAY)
  let { year, month, day } = civilOf(start)
  let first = start - (day - 1)
  while (first * DAY <= until) {
    // Masks out the first month's days before `start`.
    for (let left = daysOf(calendar, year, month, first) & (-1 << (day - 1)); left !== 0; left &= left - 1) {
      const date = first + lowestBit(left)
      const time = timeFrom(calendar, date === start ? from - start * DAY : 0)
      if (time === null) continue
      const wall = date * DAY + time
      return wall <= until ? wall : null
    }
    first += lengthOf(year, month)
    day = 1
    month += 1
    if (month > 12) [year, month] = [year + 1, 1]
  }
  return null
}

/**
 * Returns the number of wall times in [from, until) that match the calendar. Both bounds are wall times, in the form
 * that `nextWall` uses, and must be whole seconds.
 */
export function countWalls(calendar: Calendar, from: number, until: number): number {
  if (from >= until) return 0
  const [first, last] = [Math.floor(from / DAY), Math.floor((until - SECOND) / DAY)]
  const until0 = hasDay(calendar, last) ? timesBefore(calendar, until - last * DAY) : 0
  const before = hasDay(calendar, first) ? timesBefore(calendar, from - first * DAY) : 0
  return countDays(calendar, first, last) * timesADay(calendar) + until0 - before
}

/**
 * Returns the shortest time between two matching wall times, in seconds, if it is at most a day. Otherwise returns
 * Infinity.
 */
export function shortestGap(calendar: Calendar): number {
  const { hour, minute, second } = calendar.fields
  const [hours, minutes, seconds] = [hour.values, minute.values, second.values]
  const [firstSecond, lastSecond] = ends(seconds)
  const [firstMinute, lastMinute] = ends(minutes)
  const [firstHour, lastHour] = ends(hours)
  const fromMinute = firstSecond - lastSecond
  const fromHour = (firstMinute - lastMinute) * 60 + fromMinute
  const overnight = 86_400 + (firstHour - lastHour) * 3600 + fromHour
  const inDay = Math.min(
    smallestStep(seconds),
    smallestStep(minutes) * 60 + fromMinute,
    smallestStep(hours) * 3600 + fromHour,
  )
  return overnight < inDay && hasNeighbors(calendar) ? overnight : inDay
}

const ends = (values: readonly number[]): [first: number, last: number] => [
  values[0] ?? 0,
  values.at(-1) ?? 0,
]

/** Returns the smallest difference between neighboring values, or Infinity if there is only one value. */
const smallestStep = (values: readonly number[]): number =>
  Math.min(...values.slice(1).map((value, index) => value - (values[index] ?? 0)))

/** After this many years, the weekdays fall on the same dates again. */
const WEEKDAY_YEARS = 28

/** Returns whether two days in a row match. */
function hasNeighbors(calendar: Calendar): boolean {
  let start = dayNumber({ year: 2000, month: 1, day: 1 })
  let lastMatches = false
  for (let month = 0; month < WEEKDAY_YEARS * 12; month += 1) {
    const [year, inYear] = [2000 + Math.floor(month / 12), (month % 12) + 1]
    const days = daysOf(calendar, year, inYear, start)
    if ((days & (days >>> 1)) !== 0 || (lastMatches && (days & 1) === 1)) return true
    const length = lengthOf(year, inYear)
    lastMatches = (days & (1 << (length - 1))) !== 0
    start += length
  }
  return false
}

/** Returns how many of the days in [first, last) match. Both bounds are in days since 1970-01-01. */
function countDays(calendar: Calendar, first: number, last: number): number {
  let { year, month, day } = civilOf(first)
  let start = first - (day - 1)
  let count = 0
  while (start < last) {
    const length = lengthOf(year, month)
    const end = Math.min(length, last - start)
    const inRange = (-1 << (day - 1)) & (end >= 31 ? 0x7fffffff : (1 << end) - 1)
    count += bitsOf(daysOf(calendar, year, month, start) & inRange)
    start += length
    day = 1
    month += 1
    if (month > 12) [year, month] = [year + 1, 1]
  }
  return count
}

function hasDay(calendar: Calendar, days: number): boolean {
  const { year, month, day } = civilOf(days)
  return (daysOf(calendar, year, month, days - (day - 1)) & (1 << (day - 1))) !== 0
}

/**
 * Returns the matching days of a month as bits; bit 0 is the first day. `first`: the month's first day, in days since
 * 1970-01-01.
 */
function daysOf(calendar: Calendar, year: number, month: number, first: number): number {
  if (!has(calendar.fields.month.values, month)) return 0
  const length = lengthOf(year, month)
  const weekday = weekdayOf(first)
  const key = length * 7 + weekday
  const known = calendar.days.get(key)
  if (known !== undefined) return known
  let days = 0
  for (let day = 1; day <= length; day += 1) {
    if (matches(calendar, { day, weekday: (weekday + day - 1) % 7, lastDay: length })) days |= 1 << (day - 1)
  }
  calendar.days.set(key, days)
  return days
}

/** Returns whether a date matches both the lists of values, combined as in cron-parser, and `matchesDay`. */
function matches({ fields: { dayOfMonth, dayOfWeek }, matchesDay }: Calendar, date: MonthDay): boolean {
  const inMonth = has(dayOfMonth.values, date.day)
  const inWeek = has(dayOfWeek.values, date.weekday)
  const either = !dayOfMonth.isWildcard && !dayOfWeek.isWildcard
  if (either ? !inMonth && !inWeek : !inMonth || !inWeek) return false
  return matchesDay === null || matchesDay(date)
}

/** Returns the first matching time of day at or after `time`, or null. Both are milliseconds since midnight. */
function timeFrom({ fields }: Calendar, time: number): number | null {
  const seconds = time / SECOND
  const [hour, minute, second] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  const [hours, minutes, all] = [fields.hour.values, fields.minute.values, fields.second.values]
  const [firstMinute = 0, firstSecond = 0] = [minutes[0], all[0]]
  if (has(hours, hour)) {
    if (has(minutes, minute)) {
      const at = from(all, second)
      if (at !== undefined) return ((hour * 60 + minute) * 60 + at) * SECOND
    }
    const at = from(minutes, minute + 1)
    if (at !== undefined) return ((hour * 60 + at) * 60 + firstSecond) * SECOND
  }
  const at = from(hours, hour + 1)
  return at === undefined ? null : ((at * 60 + firstMinute) * 60 + firstSecond) * SECOND
}

const timesADay = ({ fields }: Calendar): number =>
  fields.hour.values.length * fields.minute.values.length * fields.second.values.length

/** Returns how many matching times of day come before `time`, which is in milliseconds since midnight. */
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
const from = (values: readonly number[], limit: number): number | undefined =>
  values.find((value) => value >= limit)
const below = (values: readonly number[], limit: number): number =>
  values.filter((value) => value < limit).length

const lowestBit = (bits: number): number => 31 - Math.clz32(bits & -bits)

function bitsOf(bits: number): number {
  let count = 0
  for (let left = bits; left !== 0; left &= left - 1) count += 1
  return count
}

function listValues({ text, values, rules }: Field): string {
  if (text === '*') return '*'
  return [...new Set([...values, ...rules.flatMap((rule) => rule.candidates)])].join(',')
}

/**
 * Returns whether a date matches, as in Vixie cron: if both fields are restricted, matching either field is enough.
 * Only a bare `*` doesn't restrict a field.
 */
function matchesDay({ dayOfMonth, dayOfWeek }: CronFields, date: MonthDay): boolean {
  const inMonth = dayOfMonth.text !== '*' && holds(dayOfMonth, date.day, date)
  const inWeek = dayOfWeek.text !== '*' && holds(dayOfWeek, date.weekday, date)
  return inMonth || inWeek
}

function holds(field: Field, value: number, date: MonthDay): boolean {
  return field.values.includes(value) || field.rules.some((rule) => rule.matches(date))
}
