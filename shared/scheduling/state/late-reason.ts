/**
 * What an execution may have waited for. The ledger stores these as numbers, starting at 1, so a new reason must be
 * added at the end.
 */
export const LATE_REASONS = ['no_place', 'retry_share', 'catch_up', 'database'] as const

export type LateReason = (typeof LATE_REASONS)[number]
