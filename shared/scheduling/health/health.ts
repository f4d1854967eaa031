import { connect, PROBE_LIMITS } from '../../db.ts'
import type { UnknownTypes } from '../claim/unknown-types.ts'
import type { Duty, Overdue } from './overdue.ts'

/** The reasons why a scheduler is degraded. */
const REASONS = {
  tick: 'tick_overdue',
  heartbeat: 'heartbeat_overdue',
  settle: 'settle_overdue',
} as const satisfies Record<Duty, string>

export type SchedulerState = {
  state: 'ok' | 'degraded'
  reasons: (typeof REASONS)[Duty][]
  /** Types of tasks that this process ignores because it has no runner for them. Absent if there are none. */
  unknown_types?: string[]
}

/** Returns the state of this process's scheduler; null if it has none. */
export function schedulerState(watch: Overdue, unknownTypes: UnknownTypes): SchedulerState | null {
  if (!watch.isWatching) return null
  const reasons = watch.late().map((duty) => REASONS[duty])
  const unknown = unknownTypes.types()
  const state = reasons.length > 0 ? 'degraded' : 'ok'
  return { state, reasons, ...(unknown.length > 0 && { unknown_types: unknown }) }
}

/** A scheduler counts as stuck if it makes no progress for this many lease durations. */
const STUCK_LEASES = 3

/**
 * Returns whether a restart would help: the scheduler has made no progress for three lease durations, even though the
 * database responds on a new connection and accepts writes. A database that is down is no reason to restart.
 */
export async function isStuck(
  watch: Overdue,
  { databaseUrl, leaseSeconds }: { databaseUrl: string; leaseSeconds: number },
): Promise<boolean> {
  const since = watch.longest()
  if (since === undefined) return false
  if (performance.now() - since < STUCK_LEASES * leaseSeconds * 1000) return false
  return await takesWrites(databaseUrl)
}

async function takesWrites(databaseUrl: string): Promise<boolean> {
  const sql = connect(databaseUrl, { max: 1, limits: PROBE_LIMITS })
  try {
    const [answer] = await sql<[{ ok: boolean }]>`select not pg_is_in_recovery() as ok`
    return answer.ok
  } catch {
    return false
  } finally {
    await sql.end({ timeout: 0 })
  }
}
