import type { Fragment, Queryable } from '../db.ts'

/**
 * Each bucket of a histogram is wider than the one before by this factor. A value is at most 4.5% away from the middle
 * of its bucket. Stored roll-ups depend on it, so it can't change.
 */
const GROWTH = 1.09

/** The last bucket. It begins after 24,000 years. */
const LAST_BUCKET = 399

/**
 * Returns an SQL expression for the bucket of an interval that isn't null: 0 below one millisecond, otherwise the n for
 * which it is at least GROWTH^(n-1) and less than GROWTH^n milliseconds.
 */
export const bucketOf = (sql: Queryable, interval: Fragment): Fragment => sql`
  greatest(0, least(
    ${sql.unsafe(String(LAST_BUCKET))},
    1 + floor(ln(greatest(0.5, round(date_part('epoch', ${interval}) * 1000))) / ${sql.unsafe(String(Math.log(GROWTH)))}::float8)
  ))::int`

/** Counts by bucket. */
export type Histogram = Map<number, number>

export type Percentiles = { p50: number; p95: number; p99: number }

/** Returns percentiles in milliseconds (nearest rank, within 5%); null if the histogram is empty. */
export function percentilesOf(histogram: Histogram): Percentiles | null {
  const sorted = [...histogram].sort(([a], [b]) => a - b)
  const count = sorted.reduce((sum, [, n]) => sum + n, 0)
  if (count === 0) return null
  const at = (share: number): number => {
    let left = Math.ceil(count * share)
    const found = sorted.find(([, n]) => {
      left -= n
      return left <= 0
    })
    return middleOf(found?.[0] ?? 0)
  }
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) }
}

/** Returns the geometric middle of a bucket in milliseconds, to three digits. */
const middleOf = (bucket: number): number =>
  bucket === 0 ? 0 : Number((GROWTH ** (bucket - 0.5)).toPrecision(3))
