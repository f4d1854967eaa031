import type { Queryable } from './db.ts'

/**
 * A reading of the database's clock, the only clock that decides what is due. The database's clock showed `now` when
 * this process's monotonic clock (`performance.now()`) was at `readAt` or just before it, so timers based on a reading
 * never fire early.
 */
export type Clock = { now: Date; readAt: number }

/** How long a reading is used, in milliseconds. The clocks drift by less than 1 ms in that time. */
const RECENT_MS = 3000
const RECENT_READINGS = 32
const DRIFT_MS = 1

/**
 * `apart`: how far this process's clock is ahead of the database's, in milliseconds, plus the response's travel time.
 */
type Reading = { at: number; apart: number }

/** Estimates the time on the database's clock from recent readings. */
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
   * Adds a reading. `ms`: the database's clock in milliseconds since 1970, with a fraction. `askedAt`:
   * `performance.now()` before the query. Every response is delayed by the network and by other work of this process,
   * so the fastest recent response gives the best estimate (the clock filter of NTP, RFC 5905, section 10). Older
   * readings that contradict the new one are dropped, since the database's clock must have been set back in between.
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

/** Returns a clock that shows `now` at this moment, regardless of the database's clock. */
export const clockAt = (now: Date): Clock => ({ now, readAt: performance.now() })

/** Converts a timestamp to this process's monotonic clock. */
export const instantOn = (clock: Clock, instant: Date): number =>
  clock.readAt + (instant.getTime() - clock.now.getTime())
