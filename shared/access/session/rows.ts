import { setTimeout as wait } from 'node:timers/promises'
import { type Database, isUnreachable, whyUnavailable } from '../../db.ts'
import { AppError, messageOf } from '../../errors.ts'
import { logger } from '../../logger.ts'
import type { Scope } from '../../scope.ts'

/** `hash`: the SHA-256 of the token, in hexadecimal. `ends_at`: when the session ends if it isn't used anymore. */
export type SessionRow = {
  hash: string
  owner: string
  key_id: number | null
  proof: Buffer
  name: string | null
  scope: Scope | null
  ends_at: Date
  idle_ms: number
}

type Kept = { row: SessionRow; readAt: number; usedAt: number }

/** A session that isn't used for this long ends. A person's session also ends this long after they signed in. */
export const IDLE_HOURS = 12

/** A row is read again after this many milliseconds, so a session that has ended stops working within this time. */
const FRESH_MS = 5000
/** While the database can't be reached, a row is used up to this age. */
const MAX_AGE_MS = 10_000
/** Milliseconds between two reads. Made-up tokens therefore cause ten queries a second, however many there are. */
const GAP_MS = 100
/** Maximum number of sessions that one query looks up. */
const MOST_AT_ONCE = 1000
/** `last_used_at` is written at most once in this many milliseconds per session and process. */
const USED_MS = 60_000

/**
 * The sessions that this process has seen in the last few seconds. Concurrent lookups share one query, and there is one
 * query at a time.
 */
export class SessionRows {
  readonly #sql: Database
  readonly #kept = new Map<string, Kept>()
  readonly #asked = new Set<string>()
  #next: Promise<void> | undefined
  #reading: Promise<void> | undefined
  /** The sessions that have ended during the current read, which may still have seen them. */
  #ended: Set<string> | undefined
  #startedAt = Number.NEGATIVE_INFINITY

  constructor(sql: Database) {
    this.#sql = sql
  }

  /** Returns the row of a session that hasn't ended, or null. Throws `unavailable` if it can't be looked up now. */
  async find(hash: string): Promise<SessionRow | null> {
    const kept = this.#kept.get(hash)
    if (kept && ageOf(kept) < FRESH_MS) return kept.row
    try {
      await this.#read(hash)
    } catch (error) {
      if (!isUnreachable(error)) throw error
      if (!kept || ageOf(kept) >= MAX_AGE_MS) throw unavailable(error)
      return kept.row
    }
    return this.#kept.get(hash)?.row ?? null
  }

  /** Makes the next call read the row again. For use after this process has deleted it. */
  forget(hash: string): void {
    this.#kept.delete(hash)
    this.#ended?.add(hash)
  }

  /** Writes when a session was last used, at most once a minute. A failure is only logged. */
  async markUsed(hash: string): Promise<void> {
    const kept = this.#kept.get(hash)
    if (!kept || performance.now() - kept.usedAt < USED_MS) return
    kept.usedAt = performance.now()
    await this.#sql`
      update sessions set last_used_at = now()
      where token_hash = decode(${hash}, 'hex') and last_used_at < now() - make_interval(secs => ${USED_MS / 1000})`.catch(
      (error: unknown) =>
        logger.warn("a session's last_used_at could not be written", { reason: messageOf(error) }),
    )
  }

  async #read(hash: string): Promise<void> {
    if (!this.#asked.has(hash) && this.#asked.size >= MOST_AT_ONCE) {
      throw new AppError('unavailable', 'too many sessions are being looked up', { retryAfterSeconds: 1 })
    }
    this.#asked.add(hash)
    this.#next ??= this.#readNext()
    await this.#next
  }

  async #readNext(): Promise<void> {
    await this.#reading?.catch(() => {})
    await wait(Math.max(0, GAP_MS - (performance.now() - this.#startedAt)))
    const hashes = [...this.#asked]
    // Callers that arrive from now on must wait for a later read.
    this.#asked.clear()
    this.#next = undefined
    this.#startedAt = performance.now()
    this.#reading = this.#load(hashes, this.#startedAt)
    await this.#reading
  }

  async #load(hashes: string[], readAt: number): Promise<void> {
    const ended = new Set<string>()
    this.#ended = ended
    const rows = await this.#query(hashes).finally(() => {
      this.#ended = undefined
    })
    for (const [hash, kept] of this.#kept) if (ageOf(kept) >= MAX_AGE_MS) this.#kept.delete(hash)
    for (const hash of hashes) this.#kept.delete(hash)
    for (const row of rows)
      if (!ended.has(row.hash)) this.#kept.set(row.hash, { row, readAt, usedAt: readAt - row.idle_ms })
  }

  async #query(hashes: string[]): Promise<SessionRow[]> {
    return await this.#sql<SessionRow[]>`
      select encode(token_hash, 'hex') as hash, owner, key_id, proof, name, scope,
        least(last_used_at, case when scope is not null then created_at end) + make_interval(hours => ${IDLE_HOURS}) as ends_at,
        (extract(epoch from now() - last_used_at) * 1000)::float8 as idle_ms
      from unnest(${hashes}::text[]) asked (hash)
      join sessions on token_hash = decode(asked.hash, 'hex')
      where least(last_used_at, case when scope is not null then created_at end) > now() - make_interval(hours => ${IDLE_HOURS})`
  }
}

const ageOf = ({ readAt }: Kept): number => performance.now() - readAt

const unavailable = (cause: unknown): AppError =>
  new AppError('unavailable', `${whyUnavailable(cause)}, so sessions cannot be checked`, {
    retryAfterSeconds: 5,
    cause,
  })
