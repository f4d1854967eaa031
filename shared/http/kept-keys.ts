import { config } from '../config.ts'
import type { Queryable } from '../db.ts'

/** Hours for which a key and its response are kept. */
export const KEPT_HOURS = 24

const COUNT_AGAIN_MS = 1000

/** Up to this many keys are counted, in about 2 ms. If there are more, their number is estimated. */
const COUNTED = 10_000

/**
 * The number of idempotency keys that are kept, as far as this process knows: its last count, plus the keys that its
 * own requests have added since.
 */
export class KeptKeys {
  count = 0
  #countAgainAt = 0

  get isFull(): boolean {
    return this.count >= config().maxIdempotencyKeys
  }

  /** Counts the keys in the database, at most once a second. */
  async refresh(sql: Queryable): Promise<void> {
    const now = performance.now()
    if (now < this.#countAgainAt) return
    // Until this count is known, other requests use the last one.
    this.#countAgainAt = now + COUNT_AGAIN_MS
    // reltuples is the number of rows as last estimated by autovacuum.
    const [{ kept }] = await sql<[{ kept: number }]>`
      select case
        when counted < ${COUNTED} then counted
        else greatest(counted, (select reltuples from pg_class where oid = 'idempotency_keys'::regclass)::bigint)
      end as kept
      from (
        select count(*) as counted from (
          select from idempotency_keys
          where created_at >= now() - make_interval(hours => ${KEPT_HOURS})
          limit ${COUNTED}
        ) first
      ) counted_first`
    this.count = kept
  }
}
