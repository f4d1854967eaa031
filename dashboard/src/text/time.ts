const UNITS = [
  ['day', 86_400],
  ['h', 3600],
  ['min', 60],
] as const

export const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone

const sameDay = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
})
const otherDay = new Intl.DateTimeFormat(undefined, {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
})
const otherYear = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' })
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'long' })

/**
 * Returns a local time in its shortest form: without the date if it is today, and without the year if it is this year.
 */
export function localTime(at: string | number, now: number): string {
  const date = new Date(at)
  const today = new Date(now)
  if (date.toDateString() === today.toDateString()) return sameDay.format(date)
  return (date.getFullYear() === today.getFullYear() ? otherDay : otherYear).format(date)
}

export const utcTime = (at: string | number): string =>
  `${new Date(at).toISOString().replace('T', ' ').replace('Z', '')} UTC`

/** Returns the local and the UTC time, for tooltips. */
export const wholeTime = (at: string | number): string => `${whole.format(new Date(at))}\n${utcTime(at)}`

/** Returns the offset of this browser's zone, such as `UTC+1`. */
export const zoneOffset = (at: number): string =>
  new Intl.DateTimeFormat('en', { timeZoneName: 'shortOffset' })
    .formatToParts(at)
    .find((it) => it.type === 'timeZoneName')
    ?.value.replace('GMT', 'UTC') ?? 'UTC'

/** Returns the distance between two times, such as `12 s`, `3 min` or `2 days`. */
export function distance(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1000)
  for (const [unit, size] of UNITS) {
    if (seconds < size) continue
    const count = Math.floor(seconds / size)
    return unit === 'day' ? `${count} ${count === 1 ? 'day' : 'days'}` : `${count} ${unit}`
  }
  return `${seconds} s`
}

export const relative = (at: string, now: number): string => {
  const ms = Date.parse(at) - now
  if (Math.abs(ms) < 1000) return 'now'
  return ms > 0 ? `in ${distance(ms)}` : `${distance(ms)} ago`
}

/**
 * Returns a duration with three significant digits: `0 ms`, `840 ms`, `1.24 s`, `3 min 20 s`, and days from two days
 * on.
 */
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return '–'
  if (ms < 1000) return `${Math.round(ms)} ms`
  const seconds = ms / 1000
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(2) : seconds.toFixed(1)} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days ${hours % 24} h`
}
