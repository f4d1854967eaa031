import { timingSafeEqual } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { type Database, isUnreachable, whyUnavailable } from '../db.ts'
import { AppError, messageOf } from '../errors.ts'
import { logger } from '../logger.ts'
import type { Principal, Scope } from '../scope.ts'
import { hashOf, idOf } from './api-key.ts'

export type StoredKey = { principal: Principal; id: number; hash: Buffer; expiresAt: Date | null }

type Row = { id: number; name: string; scope: Scope; hash: Buffer; expires_at: Date | null }

/** A key's row is read again after this many milliseconds, so a deleted key stops working within this time. */
const FRESH_MS = 5000
/**
 * A key that isn't among the rows may be new, so the rows are read again, but at most once in this many milliseconds.
 * The request that sent the key waits for this.
 */
const NEW_KEY_MS = 1000
/** While the database can't be reached, the rows are used up to this age. */
const MAX_AGE_MS = 10_000
/** `last_used_at` is written at most once in this many milliseconds per key and process. */
const USED_MS = 60_000

/** Maximum number of keys in the table. `createKey` enforces it. */
export const MAX_KEYS = 1000

/**
 * The keys in the table, as this process last read them. There are at most `MAX_KEYS`, so they are read all at once.
 * Made-up keys therefore cause at most one query a second, however many there are.
 */
export class StoredKeys {
  readonly #sql: Database
  #rows = new Map<number, Row>()
  #readAt = Number.NEGATIVE_INFINITY
  #reading: Promise<void> | undefined
  #rereading: Promise<void> | undefined
  #usedAt = new Map<number, number>()
  #hasSeenKeys = false

  constructor(sql: Database) {
    this.#sql = sql
  }

  /** Returns what is known of a key; null if the key doesn't exist or has expired. Throws as `use` does. */
  async find(key: string): Promise<StoredKey | null> {
    const id = idOf(key)
    return id === null ? null : await this.use(id, (hash) => timingSafeEqual(hash, hashOf(key)))
  }

  /**
   * Returns what is known of the key with this id, if its hash is right; null if it isn't, or the key doesn't exist or
   * has expired. Throws `unavailable` if the database can't be reached.
   */
  async use(id: number, isRight: (hash: Buffer) => boolean): Promise<StoredKey | null> {
    await (this.#rows.has(id) ? this.#read(FRESH_MS) : this.#reread())
    const row = this.#rows.get(id)
    if (!row || !isRight(row.hash)) return null
    const { name, scope, hash, expires_at: expiresAt } = row
    if (expiresAt !== null && expiresAt.getTime() <= Date.now()) return null
    await this.#markUsed(id)
    return { principal: { id: `key:${id}`, name, scope }, id, hash, expiresAt }
  }

  /**
   * Returns whether this process has ever seen keys in the table. Once it has, the API is never open to everyone
   * again, even if someone empties the table. Throws `unavailable` if the database can't be reached.
   */
  async hasKeys(): Promise<boolean> {
    // Anyone may call the API until the first key is known, so this process checks the table more often.
    if (!this.#hasSeenKeys) await this.#read(NEW_KEY_MS)
    return this.#hasSeenKeys
  }

  /** Makes the next call read the rows again. For use after this process has changed them. */
  forget(): void {
    this.#readAt = Number.NEGATIVE_INFINITY
  }

  /** Reads the rows again for a key that may be new. Waits until that is allowed. */
  async #reread(): Promise<void> {
    this.#rereading ??= this.#readLater()
    await this.#rereading
  }

  async #readLater(): Promise<void> {
    await this.#reading?.catch(() => {})
    await wait(Math.max(0, NEW_KEY_MS - this.#age()))
    // Callers that arrive from now on must wait for a later read.
    this.#rereading = undefined
    await this.#read(NEW_KEY_MS)
  }

  async #read(maxAgeMs: number): Promise<void> {
    if (this.#age() < maxAgeMs) return
    this.#reading ??= this.#load().finally(() => {
      this.#reading = undefined
    })
    await this.#reading.catch((error: unknown) => {
      if (!isUnreachable(error)) throw error
      if (this.#age() >= MAX_AGE_MS) throw unavailable(error)
    })
  }

  #age(): number {
    return performance.now() - this.#readAt
  }

  async #load(): Promise<void> {
    const startedAt = performance.now()
    const rows = await this.#sql<
      Row[]
    >`select id, name, scope, hash, expires_at from api_keys limit ${MAX_KEYS}`
    this.#rows = new Map(rows.map((row) => [row.id, row]))
    this.#readAt = startedAt
    this.#hasSeenKeys ||= rows.length > 0
    for (const id of this.#usedAt.keys()) if (!this.#rows.has(id)) this.#usedAt.delete(id)
  }

  async #markUsed(id: number): Promise<void> {
    const now = performance.now()
    if (now - (this.#usedAt.get(id) ?? Number.NEGATIVE_INFINITY) < USED_MS) return
    this.#usedAt.set(id, now)
    await this.#sql`
      update api_keys set last_used_at = now()
      where id = ${id} and (last_used_at is null or last_used_at < now() - make_interval(secs => ${USED_MS / 1000}))`.catch(
      (error: unknown) => logger.warn('last_used_at could not be written', { reason: messageOf(error) }),
    )
  }
}

const unavailable = (cause: unknown): AppError =>
  new AppError('unavailable', `${whyUnavailable(cause)}, so API keys cannot be checked`, {
    retryAfterSeconds: 5,
    cause,
  })
