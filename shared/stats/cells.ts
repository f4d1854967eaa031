import type { Fragment, Queryable } from '../db.ts'
import type { SKIP_REASONS } from '../scheduling/schedule/plan.ts'
import { bucketOf, LAST_BUCKET } from './histogram.ts'

export const OUTCOMES = ['success', 'failed', 'timeout', 'lost', 'cancelled'] as const

/**
 * What is counted, by its key from 1. Stored roll-ups have these keys, so entries keep their places, and new ones are
 * added at the end.
 */
const COUNTED = [...OUTCOMES, 'overlap', 'misfire', 'paused', 'ended'] as const satisfies (
  | (typeof OUTCOMES)[number]
  | (typeof SKIP_REASONS)[number]
)[]

/** The keys of the first buckets of the two histograms. */
const DURATION = 100
const LATE = 500
const BUCKETS = LAST_BUCKET + 1

/** A cell has its key in the upper bits and its count in the lower bits. */
const COUNT_BITS = 43
const COUNT_LIMIT = 2 ** COUNT_BITS

const literal = (sql: Queryable, number: number): Fragment => sql.unsafe(String(number))

/**
 * Returns the keys and counts `c (key, n)` of the ledger row `e`, as a FROM item for a lateral join. Some keys are
 * null. Counts are floats, which are exact here, since PostgreSQL would sum integers of 8 bytes as slow decimals. An
 * execution counts by its status, a skip by its reason. A run has a lateness if it started, and a duration unless it
 * was lost, since nobody knows when it ended.
 */
export const cellsOf = (sql: Queryable): Fragment => sql`
  (values
    (array_position(${sql.unsafe(`'{${COUNTED.join(',')}}'`)}::text[], coalesce(e.skip_reason, e.status)), coalesce(e.skipped_count, 1)::float8),
    (case when e.started_at is not null and e.status <> 'lost' then ${literal(sql, DURATION)} + ${bucketOf(sql, sql`(e.finished_at - e.started_at)`)} end, 1),
    (case when e.started_at is not null then ${literal(sql, LATE)} + ${bucketOf(sql, sql`(e.started_at - e.due_at)`)} end, 1)
  ) c (key, n)`

/** Returns an SQL aggregate that packs the rows `(key, n)` of a group into an array of cells. */
export const packed = (sql: Queryable): Fragment => sql`
  array_agg(key::bigint << ${literal(sql, COUNT_BITS)} | least(n, ${literal(sql, COUNT_LIMIT - 1)})::bigint order by key)`

/** Returns the sum of an array of cells, which may have several cells for a key, as an SQL expression. */
export const summed = (sql: Queryable, cells: Fragment): Fragment => sql`
  (
    select ${packed(sql)}
    from (select key, sum(n::float8) as n from ${unpacked(sql, cells)} group by key) by_key
  )`

/** Returns a FROM item with the `key` and the count `n` of each cell in an array. */
export const unpacked = (sql: Queryable, cells: Fragment): Fragment => sql`
  (
    select cell >> ${literal(sql, COUNT_BITS)} as key, cell & ${literal(sql, COUNT_LIMIT - 1)} as n
    from unnest(${cells}) cell
  ) cells`

/**
 * The binary form of an array: after its header and the length of the first element, and from there to the next one.
 */
const FIRST_ELEMENT = 24
const ELEMENT_BYTES = 12

/** The part of the count in the upper half of a cell. */
const UPPER_COUNT_BITS = COUNT_BITS - 32
const UPPER_COUNT_MASK = 2 ** UPPER_COUNT_BITS - 1

/** Decoded cells: the count for each key. */
export class Counts {
  readonly #byKey = new Float64Array(LATE + BUCKETS)

  clear(): void {
    this.#byKey.fill(0)
  }

  /** `cells`: an array of cells in PostgreSQL's binary form, which takes half as long to write and read as JSON. */
  add(cells: Buffer): void {
    for (let at = FIRST_ELEMENT; at < cells.length; at += ELEMENT_BYTES) {
      const upper = cells.readUInt32BE(at)
      const key = upper >>> UPPER_COUNT_BITS
      const n = (upper & UPPER_COUNT_MASK) * 2 ** 32 + cells.readUInt32BE(at + 4)
      this.#byKey[key] = (this.#byKey[key] ?? 0) + n
    }
  }

  of(name: (typeof COUNTED)[number]): number {
    return this.#byKey[COUNTED.indexOf(name) + 1] ?? 0
  }

  get durations(): Float64Array {
    return this.#byKey.subarray(DURATION, DURATION + BUCKETS)
  }

  get lateness(): Float64Array {
    return this.#byKey.subarray(LATE, LATE + BUCKETS)
  }
}
