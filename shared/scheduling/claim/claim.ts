import type { Clock } from '../../clock.ts'
import type { ClaimedExecution } from './claimed-execution.ts'

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

export type Taken = {
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
