import type { Fragment, Queryable } from '../db.ts'

export const WIDTHS = ['minute', 'hour', 'day'] as const
export type Width = (typeof WIDTHS)[number]

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** For each bucket width: its length, and how far back buckets are kept, in milliseconds and in words. */
export const KEPT: Record<Width, { ms: number; forMs: number; words: string }> = {
  minute: { ms: MINUTE_MS, forMs: 48 * HOUR_MS, words: '48 hours' },
  hour: { ms: HOUR_MS, forMs: 90 * DAY_MS, words: '90 days' },
  day: { ms: DAY_MS, forMs: 400 * DAY_MS, words: '400 days' },
}

/** Returns an SQL expression for the start of the bucket that a timestamp belongs to, in UTC. */
export const startOf = (sql: Queryable, width: Width, at: Fragment): Fragment => sql`
  date_bin(interval ${sql.unsafe(`'1 ${width}'`)}, ${at}, timestamptz 'epoch')`
