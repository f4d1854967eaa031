import type { Queryable } from './db.ts'

/**
 * The database's clock, the only one that decides: it showed `now` at `readAt` of this process' monotonic clock (`performance.now()`), or a little
 * before. So what is told by it is not early.
 */
export type Clock = { now: Date; readAt: number }

/** Reads the database's clock. */
export async function readClock(sql: Queryable): Promise<Clock> {
  const askedAt = performance.now()
  const [row] = await sql<[{ ms: number }]>`
    select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms`
  return hearClock(row.ms, askedAt)
}

/** Milliseconds for which an answer tells how far the clocks are apart: in that time they drift by less than one. */
const RECENT_MS = 3000
const RECENT_ANSWERS = 32
const DRIFT_MS = 1

/** `apart`: this process' clock less the database's, in milliseconds, and the time that its answer took to be heard. */
let heard: { at: number; apart: number }[] = []

/**
 * `ms`: milliseconds since 1970, with a fraction, as the database has just told them; `askedAt`: `performance.now()` before it was asked. An answer is late by
 * its way, and by whatever kept this process busy: of the recent ones the quickest tells best (the clock filter of NTP, RFC 5905, 10). Those that an
 * answer contradicts are forgotten: the database's clock was set back.
 */
export function hearClock(ms: number, askedAt: number): Clock {
  const at = performance.now()
  const recent = heard.filter((it) => at - it.at < RECENT_MS && it.apart >= askedAt - ms - DRIFT_MS)
  heard = [...recent.slice(1 - RECENT_ANSWERS), { at, apart: at - ms }]
  const whole = Math.floor(ms)
  return { now: new Date(whole), readAt: whole + Math.min(...heard.map(({ apart }) => apart)) }
}

/** A clock that shows `now` at this moment, whatever the database's does. */
export const clockAt = (now: Date): Clock => ({ now, readAt: performance.now() })

/** When an instant comes, on this process' monotonic clock. */
export const instantOn = (clock: Clock, instant: Date): number =>
  clock.readAt + (instant.getTime() - clock.now.getTime())
