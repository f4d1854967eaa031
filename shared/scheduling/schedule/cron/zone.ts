import { civilOf, dayNumber } from './civil.ts'

const SECOND = 1000
const DAY = 86_400 * SECOND
const MAX_FORMATTERS = 512

/** Larger than any offset that a zone has ever had, in milliseconds (Manila -15:56, Metlakatla +15:02). */
const OFFSET_REACH = 16 * 3_600 * SECOND
const LAST_INSTANT = 8.64e15

/**
 * A range of wall times that the zone's clock never shows. `end` is the first instant after the gap, `size` is its
 * length in ms.
 */
export type Gap = { end: number; size: number }

const formatters = new Map<string, Intl.DateTimeFormat>()

/**
 * Returns whether Intl knows the IANA name. A bare offset such as +02:00 is rejected, since it would silently miss
 * clock changes.
 */
export function isTimeZone(name: string): boolean {
  // Most tasks use UTC, and a process's first formatter takes 25 ms to create.
  if (name === 'UTC') return true
  if (!/^[A-Za-z]/.test(name)) return false
  try {
    formatterOf(name)
    return true
  } catch {
    return false
  }
}

/**
 * Returns a zone's formatter. Creating one takes 0.1 ms, and using one takes 1.5 µs. When there are too many, the
 * oldest is dropped.
 */
function formatterOf(zone: string): Intl.DateTimeFormat {
  const known = formatters.get(zone)
  if (known !== undefined) return known
  const made = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hour: 'numeric',
    timeZoneName: 'longOffset',
  })
  const [oldest] = formatters.keys()
  if (formatters.size >= MAX_FORMATTERS && oldest !== undefined) formatters.delete(oldest)
  formatters.set(zone, made)
  return made
}

/** Returns the offset in milliseconds east of UTC. Throws RangeError for a zone that Intl doesn't know. */
export function offsetAt(zone: string, instant: number): number {
  const inRange = Math.max(-LAST_INSTANT, Math.min(LAST_INSTANT, instant))
  const parts = /GMT([+-])(\d\d):(\d\d)(?::(\d\d))?$/.exec(formatterOf(zone).format(inRange))
  if (parts === null) return 0
  const [, sign, hours, minutes, seconds = 0] = parts
  const size = (Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds)) * SECOND
  return sign === '-' ? -size : size
}

/** Returns the time that the zone's clock shows, as the timestamp at which a UTC clock shows that time. */
export function wallAt(zone: string, instant: number): number {
  return instant + offsetAt(zone, instant)
}

/**
 * Returns the instants at which the zone's clock shows `wall`, earliest first: normally one, but two in a repeated hour
 * and none in a gap. Assumes at most one clock change near `wall`: according to tzdata 2026, no zone has had two within
 * 48 hours since 1830.
 */
export function instantsOf(zone: string, wall: number): number[] {
  const before = offsetAt(zone, wall - OFFSET_REACH)
  const after = offsetAt(zone, wall + OFFSET_REACH)
  const offsets = before === after ? [before] : [Math.max(before, after), Math.min(before, after)]
  return offsets.map((offset) => wall - offset).filter((instant) => wallAt(zone, instant) === wall)
}

/** Returns the gap around a wall time that has no instants. */
export function gapAround(zone: string, wall: number): Gap {
  const end = bisect(wall - OFFSET_REACH, wall + OFFSET_REACH, (instant) => wallAt(zone, instant) > wall)
  return { end, size: offsetAt(zone, end) - offsetAt(zone, end - SECOND) }
}

/**
 * Returns the instant at which the clock is set back, or null if that doesn't happen within a day after `instant`. No
 * clock is set back by more than a day.
 */
export function nextSetBack(zone: string, instant: number): number | null {
  const offset = offsetAt(zone, instant)
  if (offsetAt(zone, instant + DAY) >= offset) return null
  return bisect(instant, instant + DAY, (later) => offsetAt(zone, later) < offset)
}

/** Returns the gap that ended at `instant` or in the 24 hours before it, or null. */
export function lastGap(zone: string, instant: number): Gap | null {
  const from = instant - DAY
  const size = offsetAt(zone, instant) - offsetAt(zone, from)
  if (size <= 0) return null
  return { end: bisect(from, instant, (later) => offsetAt(zone, later) > offsetAt(zone, from)), size }
}

/** A period from `from` to `until` (exclusive) in which the zone's clock is `offset` ms east of UTC. */
export type Stretch = { from: number; until: number; offset: number }

/** No zone has had two changes within 48 hours: see `instantsOf`. */
const STEP = 2 * DAY

type Change = { at: number; offset: number }

const changes = new Map<string, Change[]>()
const MAX_YEARS = 20_000

/**
 * Returns a zone's clock changes in a UTC year, oldest first. Checks every other day, once per zone and year, which
 * takes 0.3 ms.
 */
function changesIn(zone: string, year: number): Change[] {
  const key = `${zone} ${year}`
  const known = changes.get(key)
  if (known) return known
  const [from, until] = [year, year + 1].map((it) => dayNumber({ year: it, month: 1, day: 1 }) * DAY)
  const found = from === undefined || until === undefined ? [] : changesBetween(zone, from, until)
  if (changes.size >= MAX_YEARS) changes.clear()
  changes.set(key, found)
  return found
}

/** Returns the changes after `from`, up to and including `until`. */
function changesBetween(zone: string, from: number, until: number): Change[] {
  const found: Change[] = []
  let offset = offsetAt(zone, from)
  for (let seen = from; seen < until; ) {
    const next = Math.min(seen + STEP, until)
    if (offsetAt(zone, next) === offset) seen = next
    else {
      const before = offset
      seen = bisect(seen, next, (instant) => offsetAt(zone, instant) !== before)
      offset = offsetAt(zone, seen)
      found.push({ at: seen, offset })
    }
  }
  return found
}

/** Returns the periods between clock changes, oldest first. Each change is located to the second. */
export function stretchesOf(zone: string, from: number, until: number): Stretch[] {
  const stretches: Stretch[] = []
  let start = from
  let offset = offsetAt(zone, from)
  const [first, last] = [from, until].map((instant) => civilOf(Math.floor(instant / DAY)).year)
  for (let year = first ?? 0; year <= (last ?? 0); year += 1) {
    for (const change of changesIn(zone, year)) {
      if (change.at <= start || change.at >= until) continue
      stretches.push({ from: start, until: change.at, offset })
      start = change.at
      offset = change.offset
    }
  }
  if (start < until) stretches.push({ from: start, until, offset })
  return stretches
}

/**
 * Returns the first whole second in (from, to] for which `past` is true. `past` must be false for `from` and true for
 * `to`, and both bounds must be whole seconds.
 */
function bisect(from: number, to: number, past: (instant: number) => boolean): number {
  let [low, high] = [from, to]
  while (high - low > SECOND) {
    const middle = low + Math.floor((high - low) / 2 / SECOND) * SECOND
    if (past(middle)) high = middle
    else low = middle
  }
  return high
}
