import type { Clock } from '../../clock.ts'
import type { Definition } from './definition.ts'

/** Executions held by one worker. Whoever knows `id` may start and settle them while the lease lasts. */
export type Claim = {
  id: string
  executions: ClaimedExecution[]
  /** Converts their instants to this process' monotonic clock. */
  clock: Clock
  /** `performance.now()` just before the lease was asked for. */
  since: number
  /** No other worker can have it. An invocation may be delivered twice; a claim within a process can't. */
  isExclusive: boolean
}

/** An execution that a worker holds, with everything it needs to run it. */
export type ClaimedExecution = {
  id: number
  claim_id: string
  task_id: number
  scheduled_for: Date
  trigger: string
  attempt: number
  due_at: Date
  /** Set when it started with its claim, because it was due. */
  started_at: Date | null
  /** When its task is due next. */
  next_run_at: Date | null
  /** How many earlier attempts of this occurrence failed or timed out. */
  failures: number
  /**
   * How long the task's last occurrence took, from its first attempt to its last; `none` when it has not run before.
   */
  lastRun: LastRun
  task: Definition
}

/** A run that takes a second is slow; `quick` is well below that. */
export type LastRun = 'quick' | 'slow' | 'none'

/** The longest quick run. Starting and settling it takes time too, and all of it stays well within a second. */
export const QUICK_MS = 500

/** `tookMs`: null when there was no run. */
export function lastRunOf(tookMs: number | null): LastRun {
  if (tookMs === null) return 'none'
  return tookMs <= QUICK_MS ? 'quick' : 'slow'
}

export type ClaimOptions = {
  /** The most executions to claim. */
  limit: number
  leaseSeconds: number
  /** Milliseconds ahead of now up to which due tasks are claimed too. Default 0. */
  aheadMs?: number
  /** What is due starts with its claim. For workers in this process, which have it as soon as it is committed. */
  startsDue?: boolean
  /** The most executions in one claim; a larger set makes several claims. Default: unlimited. */
  claimSize?: number
  /** The database's clock, as the tick read it. Decides what is due. */
  clock: Clock
}

export type Claimed = {
  claims: Claim[]
  /** Whether there may be more. */
  more: boolean
}

/** Groups executions by their claims. `since`: `performance.now()` just before the leases were asked for. */
export function toClaims(executions: ClaimedExecution[], clock: Clock, since: number): Claim[] {
  const byClaim = Map.groupBy(executions, (it) => it.claim_id)
  return [...byClaim].map(([id, own]) => ({ id, executions: own, clock, since, isExclusive: true }))
}

/** Returns the instant up to which a claim looks. */
export const horizon = ({ clock, aheadMs = 0 }: ClaimOptions): Date => new Date(clock.now.getTime() + aheadMs)
