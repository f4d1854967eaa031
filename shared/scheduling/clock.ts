import type { Queryable } from '../db.ts'

/**
 * The database's clock, as it was read: `now` was the time at `readAt` of this process' monotonic clock (`performance.now()`), or a
 * little before. So what is told by it is never early.
 */
export type Clock = { now: Date; readAt: number }

/** Reads the database's clock: the only one that decides. */
export async function readClock(sql: Queryable): Promise<Clock> {
  const [row] = await sql<[{ ms: number }]>`
    select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms`
  return toClock(row.ms)
}

/** `ms`: milliseconds since 1970, with a fraction, as the database has just told them. */
export function toClock(ms: number): Clock {
  const whole = Math.floor(ms)
  return { now: new Date(whole), readAt: performance.now() - (ms - whole) }
}

/** When an instant comes, on this process' monotonic clock. */
export const instantOn = (clock: Clock, instant: Date): number =>
  clock.readAt + (instant.getTime() - clock.now.getTime())
