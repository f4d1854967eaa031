import type { Clock } from '../../clock.ts'
import type { Definition } from './definition.ts'

/** Executions held by one worker. Knowing `id` is enough to start and settle them while the lease lasts. */
export type Claim = {
  id: string
  executions: ClaimedExecution[]
  /** Converts the executions' times to this process's monotonic clock. */
  clock: Clock
  /** `performance.now()` just before the lease was requested. */
  since: number
  /**
   * True if no other worker can hold the claim, because it stays within this process. A claim that is sent in an
   * invocation may be delivered twice.
   */
  isExclusive: boolean
}

/** An execution that a worker holds, with everything that is needed to run it. */
export type ClaimedExecution = {
  id: number
  claim_id: string
  task_id: number
  scheduled_for: Date
  trigger: string
  attempt: number
  due_at: Date
  /** Set if its start was written with the claim, because the execution was already due. */
  started_at: Date | null
  /** The time at which its task is next due. */
  next_run_at: Date | null
  /** Number of earlier attempts at this occurrence that failed or timed out. */
  failures: number
  /**
   * How long the task's last occurrence took, measured from its first start to its end. `none` if the task hasn't run
   * before.
   */
  lastRun: LastRun
  task: Definition
}

/** How long the last run took. `quick`: at most `QUICK_MS`. `slow`: longer. `none`: there was no run. */
export type LastRun = 'quick' | 'slow' | 'none'

/**
 * Maximum duration of a quick run, in milliseconds. A run in progress counts as slow after a second (run/slots.ts), and
 * a quick run must stay well below that, including the time to start and settle it.
 */
export const QUICK_MS = 500

/** `tookMs` is null if there was no run. */
export function lastRunOf(tookMs: number | null): LastRun {
  if (tookMs === null) return 'none'
  return tookMs <= QUICK_MS ? 'quick' : 'slow'
}

export type ClaimOptions = {
  /** Maximum number of executions to claim. */
  limit: number
  leaseSeconds: number
  /** Also claims tasks that become due within this many milliseconds. Default: 0. */
  aheadMs?: number
  /**
   * Whether the claim also writes the start of executions that are already due. Only for workers in this process, which
   * get the claim as soon as it is committed.
   */
  startsDue?: boolean
  /** Maximum number of executions in one claim. Larger sets are split into several claims. Default: unlimited. */
  claimSize?: number
  /** The database's clock, as the tick read it. Decides what is due. */
  clock: Clock
}

export type Claimed = {
  claims: Claim[]
  /** Whether there may be more to claim. */
  more: boolean
}

/** Groups executions by claim. `since`: `performance.now()` just before the leases were requested. */
export function toClaims(executions: ClaimedExecution[], clock: Clock, since: number): Claim[] {
  const byClaim = Map.groupBy(executions, (it) => it.claim_id)
  return [...byClaim].map(([id, own]) => ({ id, executions: own, clock, since, isExclusive: true }))
}

/** Returns the latest due time that a claim includes. */
export const horizon = ({ clock, aheadMs = 0 }: ClaimOptions): Date => new Date(clock.now.getTime() + aheadMs)
