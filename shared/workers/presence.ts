import type { Database } from '../db.ts'
import { logger } from '../logger.ts'

/** Milliseconds between two writes of a worker's row. */
const BEAT_MS = 10_000

/** A worker that hasn't written its row for this many seconds isn't listed, and is probably dead. */
export const UNSEEN_SECONDS = 30

/** Rows that are older than this are removed, by whichever worker writes next, at most `REMOVED` at a time. */
const REMOVED_SECONDS = 600
const REMOVED = 100

export type Self = {
  id: string
  version: string
  runtime: 'container' | 'lambda' | 'offline'
  host: string
  slots: number
}

/**
 * Writes this process's row in `workers`: at once when work begins, and then every 10 seconds while there is work. A
 * container has work for as long as its scheduler runs, a Lambda environment only during an invocation. A failed write
 * doesn't affect the work.
 */
export class Presence {
  readonly #sql: () => Database
  readonly #self: Self
  #works = 0
  #timer: NodeJS.Timeout | undefined
  #beat: Promise<void> | undefined
  #writtenAt = Number.NEGATIVE_INFINITY
  #tickedAt: number | undefined
  #hasFailed = false
  #hasLeft = false

  constructor(sql: () => Database, self: Self) {
    this.#sql = sql
    this.#self = self
  }

  /** Does `work`, during which this process is present. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.begin()
    try {
      return await work()
    } finally {
      await this.end()
    }
  }

  begin(): void {
    this.#works += 1
    if (this.#works > 1) return
    if (performance.now() - this.#writtenAt >= BEAT_MS) this.#write()
    this.#timer = setInterval(() => this.#write(), BEAT_MS).unref()
  }

  /** Ends what `begin` began. Waits for a write in progress, which must not be left to a frozen environment. */
  async end(): Promise<void> {
    this.#works -= 1
    if (this.#works > 0) return
    clearInterval(this.#timer)
    await this.#beat
  }

  /** Records that a tick has succeeded. The next write stores when. */
  ticked(): void {
    this.#tickedAt = performance.now()
  }

  /** Removes the row of a process that stops. Nothing is written afterward. */
  async leave(): Promise<void> {
    this.#hasLeft = true
    clearInterval(this.#timer)
    await this.#beat
    await this.#attempt(async () => await this.#sql()`delete from workers where id = ${this.#self.id}`)
  }

  #write(): void {
    if (this.#beat || this.#hasLeft) return
    this.#beat = this.#attempt(() => seen(this.#sql(), this.#self, this.#tickedAt)).finally(() => {
      this.#beat = undefined
    })
  }

  async #attempt(work: () => Promise<unknown>): Promise<void> {
    try {
      await work()
      this.#writtenAt = performance.now()
      this.#hasFailed = false
    } catch (error) {
      // Only the first failure in a row is logged. If the database is down, other lines say so.
      if (!this.#hasFailed) logger.warn('could not update the row in workers', { error: error as Error })
      this.#hasFailed = true
    }
  }
}

/** Writes a worker's row, and removes the rows of workers that died long ago. All times are the database's. */
async function seen(sql: Database, self: Self, tickedAt: number | undefined): Promise<void> {
  const now = performance.now()
  const tickAge = tickedAt === undefined ? null : (now - tickedAt) / 1000
  await sql`
    with dead as (
      select id from workers
      where last_seen_at < now() - make_interval(secs => ${REMOVED_SECONDS}) and id <> ${self.id}
      limit ${REMOVED}
      for update skip locked
    ),
    removed as (
      delete from workers w using dead where w.id = dead.id
    )
    insert into workers (id, version, runtime, host, slots, started_at, last_tick_at)
    values (
      ${self.id}, ${self.version}, ${self.runtime}, ${self.host}, ${self.slots},
      now() - make_interval(secs => ${now / 1000}::float8), now() - make_interval(secs => ${tickAge}::float8)
    )
    on conflict (id) do update set last_seen_at = now(), last_tick_at = excluded.last_tick_at`
}
