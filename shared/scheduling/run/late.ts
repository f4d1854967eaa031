import type { Overdue } from '../health/overdue.ts'
import type { LateReason } from '../state/late-reason.ts'
import type { Slots } from './slots.ts'

/** What begins within this many milliseconds is not late. */
export const LATE_MS = 1000

/** A run that has begun late. */
type Late = {
  /** On this process' monotonic clock. */
  dueAt: number
  attempt: number
  /** It was claimed in this process. */
  isOwn: boolean
}

/**
 * Returns why a run began late, or null if its process can't know: it waited for the database, or for a slot (of which
 * retries only get a share). If neither was in the way it was already overdue when a scheduler first saw it.
 */
export function whyLate({ dueAt, attempt, isOwn }: Late, slots: Slots, watch: Overdue): LateReason | null {
  if (watch.wasUnreachableSince(dueAt)) return 'database'
  if (!isOwn) return null
  if (!slots.wereFullSince(dueAt)) return 'catch_up'
  return attempt > 1 ? 'retry_share' : 'no_place'
}
