import { connect, PROBE_LIMITS } from '../../db.ts'
import { unknownTypes } from '../claim/unknown-types.ts'
import type { Duty, Overdue } from './overdue.ts'

/** What a scheduler is late with. */
const REASONS = {
  tick: 'tick_overdue',
  heartbeat: 'heartbeat_overdue',
  settle: 'settle_overdue',
} as const satisfies Record<Duty, string>

export type SchedulerState = {
  state: 'ok' | 'degraded'
  reasons: (typeof REASONS)[Duty][]
  /** Task types that this process has no runner for, and leaves to others; left out when there are none. */
  unknown_types?: string[]
}

/** Returns how this process' scheduler is; null when it has none. */
export function schedulerState(watch: Overdue): SchedulerState | null {
  if (!watch.isWatching) return null
  const reasons = watch.late().map((duty) => REASONS[duty])
  const unknown = unknownTypes()
  const state = reasons.length > 0 ? 'degraded' : 'ok'
  return { state, reasons, ...(unknown.length > 0 && { unknown_types: unknown }) }
}

/** Leases for which nothing may have moved. */
const STUCK_LEASES = 3

/**
 * Returns whether a new process would do better than this one: its scheduler hasn't moved for three leases, although the database answers
 * on a new connection, and takes writes. One that is away restarts nobody.
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
