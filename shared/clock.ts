import type { Queryable } from './db.ts'

/**
 * The database's clock, which alone decides what is due. It showed `now` when this process' monotonic clock
 * (`performance.now()`) showed `readAt`, or a little earlier, so nothing that is timed by it comes early.
 */
export type Clock = { now: Date; readAt: number }

/** Reads the database's clock. */
export async function readClock(sql: Queryable): Promise<Clock> {
  const askedAt = performance.now()
  const [row] = await sql<[{ ms: number }]>`
    select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms`
  return hearClock(row.ms, askedAt)
}

/** For how many milliseconds an answer says how far the clocks are apart: they drift by less than one in that time. */
const RECENT_MS = 3000
const RECENT_ANSWERS = 32
const DRIFT_MS = 1

/** `apart`: this process' clock minus the database's, in milliseconds, including the time that the answer took. */
let heard: { at: number; apart: number }[] = []

/**
 * Takes a reading of the database's clock. `ms`: milliseconds since 1970, with a fraction; `askedAt`:
 * `performance.now()` before the question. Each answer is delayed by the network and by whatever this process was busy
 * with, so the fastest of the recent answers is the best estimate (the clock filter of NTP, RFC 5905, section 10).
 * Readings that a new one contradicts are dropped: the database's clock was set back.
 */
export function hearClock(ms: number, askedAt: number): Clock {
  const at = performance.now()
  const recent = heard.filter((it) => at - it.at < RECENT_MS && it.apart >= askedAt - ms - DRIFT_MS)
  heard = [...recent.slice(1 - RECENT_ANSWERS), { at, apart: at - ms }]
  const whole = Math.floor(ms)
  return { now: new Date(whole), readAt: whole + Math.min(...heard.map(({ apart }) => apart)) }
}

/** Returns a clock that shows `now` at this moment, whatever the database's shows. */
export const clockAt = (now: Date): Clock => ({ now, readAt: performance.now() })

/** Returns when an instant comes, on this process' monotonic clock. */
export const instantOn = (clock: Clock, instant: Date): number =>
  clock.readAt + (instant.getTime() - clock.now.getTime())
