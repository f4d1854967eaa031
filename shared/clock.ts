import type { Queryable } from './db.ts'

/**
 * The database's clock, which alone decides what is due. It showed `now` when this process' monotonic clock
 * (`performance.now()`) showed `readAt`, or a little earlier, so nothing that is timed by it comes early.
 */
export type Clock = { now: Date; readAt: number }

/** For how many milliseconds a reading says how far the clocks are apart: they drift by less than 1 ms in that time. */
const RECENT_MS = 3000
const RECENT_READINGS = 32
const DRIFT_MS = 1

/** `apart`: this process' clock minus the database's, in milliseconds, including the time that the response took. */
type Reading = { at: number; apart: number }

/** Estimates the database's clock from its recent readings. */
export class DatabaseClock {
  #readings: Reading[] = []

  /** Reads the database's clock. */
  async read(sql: Queryable): Promise<Clock> {
    const askedAt = performance.now()
    const [row] = await sql<[{ ms: number }]>`
      select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms`
    return this.add(row.ms, askedAt)
  }

  /**
   * Adds a reading. `ms`: milliseconds since 1970, with a fraction; `askedAt`: `performance.now()` before the query.
   * Each response is delayed by the network and by whatever this process was busy with, so the fastest of the recent
   * ones gives the best estimate (the clock filter of NTP, RFC 5905, section 10). Readings that a new one contradicts
   * are dropped: the database's clock was set back.
   */
  add(ms: number, askedAt: number): Clock {
    const at = performance.now()
    const recent = this.#readings.filter(
      (it) => at - it.at < RECENT_MS && it.apart >= askedAt - ms - DRIFT_MS,
    )
    this.#readings = [...recent.slice(1 - RECENT_READINGS), { at, apart: at - ms }]
    const whole = Math.floor(ms)
    return { now: new Date(whole), readAt: whole + Math.min(...this.#readings.map(({ apart }) => apart)) }
  }
}

/** Returns a clock that shows `now` at this moment, whatever the database's shows. */
export const clockAt = (now: Date): Clock => ({ now, readAt: performance.now() })

/** Returns when an instant comes, on this process' monotonic clock. */
export const instantOn = (clock: Clock, instant: Date): number =>
  clock.readAt + (instant.getTime() - clock.now.getTime())
