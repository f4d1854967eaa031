import type { Fragment, Queryable } from '../db.ts'

/**
 * Each bucket of a histogram is wider than the one before by this factor. A value is at most 4.5% away from the middle
 * of its bucket. Stored roll-ups depend on it, so it can't change.
 */
const GROWTH = 1.09

/** The last bucket. It begins after 24,000 years. */
export const LAST_BUCKET = 399

/**
 * Returns an SQL expression for the bucket of an interval that isn't null: 0 below one millisecond, otherwise the n for
 * which it is at least GROWTH^(n-1) and less than GROWTH^n milliseconds.
 */
export const bucketOf = (sql: Queryable, interval: Fragment): Fragment => sql`
  greatest(0, least(
    ${sql.unsafe(String(LAST_BUCKET))},
    1 + floor(ln(greatest(0.5, round(date_part('epoch', ${interval}) * 1000))) / ${sql.unsafe(String(Math.log(GROWTH)))}::float8)
  ))::int`

export type Percentiles = { p50: number; p95: number; p99: number }

/**
 * Returns percentiles in milliseconds (nearest rank, within 5%); null if the histogram is empty. `counts`: the count of
 * each bucket, from 0.
 */
export function percentilesOf(counts: Float64Array): Percentiles | null {
  // Plain loops: there are thousands of histograms of 400 buckets, and iterators take several times as long.
  let count = 0
  for (let bucket = 0; bucket <= LAST_BUCKET; bucket += 1) count += counts[bucket] ?? 0
  if (count === 0) return null
  let bucket = 0
  let upTo = counts[0] ?? 0
  const at = (share: number): number => {
    const rank = Math.ceil(count * share)
    while (upTo < rank) {
      bucket += 1
      upTo += counts[bucket] ?? 0
    }
    return MIDDLES[bucket] ?? 0
  }
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) }
}

/** The geometric middle of each bucket in milliseconds, to three digits. */
const MIDDLES = Array.from({ length: LAST_BUCKET + 1 }, (_, bucket) =>
  bucket === 0 ? 0 : Number((GROWTH ** (bucket - 0.5)).toPrecision(3)),
)
