import type { Overdue } from '../health/overdue.ts'
import type { LateReason } from '../state/late-reason.ts'
import type { Slots } from './slots.ts'

/** A run that begins within this many milliseconds of its due time isn't late. */
export const LATE_MS = 1000

/** A run that has begun late. */
type Late = {
  /** The times at which it became due and got its slot, on this process's monotonic clock. */
  dueAt: number
  slotSince: number
  attempt: number
  /** Whether it was claimed in this process. */
  isOwn: boolean
}

/**
 * Returns why a run began late, or null if this process can't tell. The run may have waited for the database or for a
 * slot. If it waited for neither, it was already overdue when a scheduler first saw it. A retry may wait while first
 * attempts start, since retries get only a share of the slots.
 */
export function whyLate(
  { dueAt, slotSince, attempt, isOwn }: Late,
  slots: Slots,
  watch: Overdue,
): LateReason | null {
  if (watch.wasUnreachableSince(dueAt)) return 'database'
  if (!isOwn) return null
  if (!slots.wereFull({ from: dueAt, to: slotSince })) return 'catch_up'
  return attempt > 1 ? 'retry_share' : 'no_place'
}
