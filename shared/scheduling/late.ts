import type { Overdue } from './overdue.ts'
import type { Places } from './places.ts'

/** What an execution may have waited for. */
export const LATE_REASONS = ['no_place', 'retry_share', 'catch_up', 'database'] as const

/** How late an execution began, in milliseconds, and why, if its process can know. */
export type Late = { ms: number; reason: (typeof LATE_REASONS)[number] | null }

/** What begins within so many milliseconds is not late. */
const LATE_MS = 1000

type Begun = {
  /** Instants on this process' monotonic clock. */
  dueAt: number
  beganAt: number
  attempt: number
  /** It was claimed in this process. */
  isOwn: boolean
}

/**
 * Returns how late an execution began, or null when it was in time. What it waited for is what was in the way since it was due: the database, a
 * place (a retry has but a share of them), or nothing at all: then it was in the past when a scheduler first saw it.
 */
export function lateness(
  { dueAt, beganAt, attempt, isOwn }: Begun,
  places: Places,
  watch: Overdue,
): Late | null {
  const ms = Math.round(beganAt - dueAt)
  if (ms < LATE_MS) return null
  if (watch.wasUnreachableSince(dueAt)) return { ms, reason: 'database' }
  if (!isOwn) return { ms, reason: null }
  if (!places.wereFullSince(dueAt)) return { ms, reason: 'catch_up' }
  return { ms, reason: attempt > 1 ? 'retry_share' : 'no_place' }
}
