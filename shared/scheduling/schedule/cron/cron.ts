import cronstrue from 'cronstrue'
import { type Calendar, calendarOf, nextWall } from './cron-calendar.ts'
import { normalizeExpression, parseFields } from './cron-expression.ts'
import { type Gap, gapAround, instantsOf, nextSetBack, offsetAt, wallAt } from './zone.ts'

export { InvalidCron } from './invalid-cron.ts'
export { isTimeZone } from './zone.ts'

/**
 * `followsClock`: the minute or hour field starts with `*`, so the schedule follows the wall clock. Otherwise it has
 * fixed times.
 */
export type Cron = { expression: string; followsClock: boolean; calendar: Calendar }

const SECOND = 1000
const HOUR = 3_600 * SECOND
const DAY = 24 * HOUR
const YEARS_AHEAD = 40

/** Two days before the last Date, so that the wall time in every zone is a valid Date too. */
const LAST_INSTANT = 8.64e15 - 2 * DAY

/**
 * The longest gap, in milliseconds, after which missed runs are made up. A longer gap is a move across the date line,
 * as in Apia in 2011: that day never happened there, so nothing runs for it.
 */
const LONGEST_GAP_MADE_UP = 3 * HOUR

/**
 * Parses five fields, or six with seconds first. Supports names, lists, ranges, steps, `L`, `LW`, `15W`, `5L`, `1#2`,
 * and macros. Throws InvalidCron with a message that says what is wrong and where. An expression that can never fire is
 * invalid.
 */
export function parseCron(expression: string): Cron {
  const text = normalizeExpression(expression)
  const fields = parseFields(text)
  const followsClock = fields.minute.text.startsWith('*') || fields.hour.text.startsWith('*')
  return { expression: text, followsClock, calendar: calendarOf(fields) }
}

/** Describes an expression in English. Throws InvalidCron. */
export function describeCron(expression: string): string {
  return cronstrue.toString(parseCron(expression).expression, { use24HourTimeFormat: true })
}

/**
 * Returns the first run strictly after `after`, or null if there is none within 40 years. Clock changes are handled as
 * in Vixie cron. An expression that follows the clock runs whenever the clock shows its time: never in a gap, and
 * twice in a repeated hour. A fixed time runs once: right after a gap that contains it, and only in the first pass of a
 * repeated hour. Throws RangeError for a zone that Intl doesn't know and for an invalid date.
 */
export function nextOccurrence(cron: Cron, timezone: string, after: Date): Date | null {
  const from = Math.floor(after.getTime() / SECOND) * SECOND
  const until = yearsLater(after)
  const first = firstRun(cron, timezone, startingWall(cron, timezone, from), after.getTime(), until)
  const setBack = cron.followsClock ? nextSetBack(timezone, from) : null
  if (setBack === null || (first !== null && first < setBack)) return toDate(first)
  return toDate(firstRun(cron, timezone, wallAt(timezone, setBack) - SECOND, setBack - 1, until))
}

export function isMadeUp(cron: Cron, gap: Gap): boolean {
  return !cron.followsClock && gap.size <= LONGEST_GAP_MADE_UP
}

/**
 * Returns the first run after `after` and up to `until`, or null. Steps through the matching wall times after
 * `wallFrom`. A wall time that the clock never shows is in a gap, which is skipped in one step.
 */
function firstRun(cron: Cron, zone: string, wallFrom: number, after: number, until: number): number | null {
  let cursor = wallFrom
  for (;;) {
    const wall = nextWall(cron.calendar, cursor, until + DAY)
    if (wall === null) return null
    const instants = instantsOf(zone, wall)
    const gap = instants.length === 0 ? gapAround(zone, wall) : null
    const runs = gap !== null && isMadeUp(cron, gap) ? [gap.end] : instants
    const run = runs.find((instant) => instant > after)
    if (run !== undefined) return run <= until ? run : null
    cursor = gap === null ? wall : Math.max(wall, wallAt(zone, gap.end) - SECOND)
  }
}

/**
 * Returns the wall time to start from. Fixed times don't run in the second pass of a repeated hour, so in that pass the
 * search starts at the end of the hour.
 */
function startingWall(cron: Cron, zone: string, from: number): number {
  const wall = wallAt(zone, from)
  const [firstPass = from] = cron.followsClock ? [] : instantsOf(zone, wall)
  const setBack = firstPass < from ? nextSetBack(zone, firstPass) : null
  return setBack === null ? wall : setBack + offsetAt(zone, firstPass) - SECOND
}

function yearsLater(after: Date): number {
  const time = new Date(after).setUTCFullYear(after.getUTCFullYear() + YEARS_AHEAD)
  return Number.isNaN(time) ? LAST_INSTANT : Math.min(time, LAST_INSTANT)
}

function toDate(instant: number | null): Date | null {
  return instant === null ? null : new Date(instant)
}
