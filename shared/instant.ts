import * as z from 'zod'

const ISO_8601 =
  /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s?(Z|[+-]\d\d(?::?\d\d)?)?)?$/i

/**
 * Parses an ISO 8601 timestamp, to the millisecond. Without an offset it is UTC; without a time it is midnight. Returns
 * null if the text isn't a timestamp, if the day or the time doesn't exist (February 30, 24:30), or if the timestamp is
 * outside the years 1000 to 9999 in UTC. PostgreSQL rejects the format in which JavaScript writes the year 10000, and
 * JavaScript reads PostgreSQL's year 0001 as 2001.
 */
export function parseInstant(text: string): Date | null {
  const match = ISO_8601.exec(text.trim())
  if (!match) return null
  const time = match.slice(4, 7).map((part) => part ?? '00')
  const millisecond = (match[7] ?? '').padEnd(3, '0').slice(0, 3)
  const wall = `${match.slice(1, 4).join('-')}T${time.join(':')}`
  const local = new Date(`${wall}.${millisecond}Z`)
  const real = !Number.isNaN(local.getTime()) && local.toISOString().startsWith(wall)
  const offset = offsetMinutes(match[8])
  if (!real || offset === null) return null
  const instant = new Date(local.getTime() - offset * 60_000)
  const year = instant.getUTCFullYear()
  return year >= 1000 && year <= 9999 ? instant : null
}

function offsetMinutes(offset: string | undefined): number | null {
  if (offset === undefined || offset.toUpperCase() === 'Z') return 0
  const sign = offset.startsWith('-') ? -1 : 1
  const hours = Number(offset.slice(1, 3))
  const minutes = Number(offset.slice(3).replace(':', '') || 0)
  return hours > 23 || minutes > 59 ? null : sign * (hours * 60 + minutes)
}

/** Earlier than all timestamps that `parseInstant` returns. */
export const BEFORE_ALL = new Date('0999-01-01T00:00:00Z')

/** A timestamp in a request. */
export const instantIn = z
  .string()
  .max(40)
  .transform((text, context) => {
    const instant = parseInstant(text)
    if (instant) return instant
    context.addIssue({
      code: 'custom',
      message: 'must be an ISO 8601 timestamp, such as 2027-03-28T01:00:00Z',
    })
    return z.NEVER
  })
  .meta({ format: 'date-time', description: 'ISO 8601 timestamp. Without an offset, it is UTC.' })

/** A timestamp in a response: ISO 8601 with milliseconds and `Z`. */
export const instantOut = z.iso.datetime()
