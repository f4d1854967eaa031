import type { Claimed } from './claimed.ts'
import type { Clock } from './clock.ts'
import type { LateReason } from './late.ts'
import type { Place } from './places.ts'

/** Why a run is stopped before it is done: the reason of its AbortSignal. */
export type StopReason = 'timeout' | 'cancelled' | 'shutdown' | 'claim_lost'

/** What a heartbeat can do with a run. */
export type Stoppable = { readonly execution: Claimed; stop(reason: StopReason): void }

/** A claim of this process. */
export type HeldClaim = {
  readonly id: string
  /** What it named when it was claimed. */
  readonly executionIds: number[]
  readonly runs: Set<Stoppable>
  /** How many of its executions this process has not done with. */
  left: number
  /** How many have ended, as the database has confirmed. */
  ended: number
  /** When the lease ends at the latest, on this process' monotonic clock (`performance.now()`, milliseconds). */
  leaseEnds: number
  /** Its lease is over: nothing of it may be started any more, since another worker may have it. */
  lost: boolean
  /** Its row is gone. */
  gone: boolean
  expiry: NodeJS.Timeout | undefined
  /** Called once this process has done with it. */
  readonly over: () => void
}

/** A claimed execution in this process. */
export type Work = {
  readonly execution: Claimed
  readonly claim: HeldClaim
  readonly clock: Clock
  /** On the monotonic clock, its instant, or its start when that is later. */
  at: number
  /** None runs on when its invocation ends. */
  readonly deadline: number
  /** No other worker has its claim. */
  readonly isExclusive: boolean
  /** The answer to its start got lost: the database may have it as started. */
  mayBeStarted: boolean
  /** While it starts and runs. */
  place: Place | undefined
  /** When its run began, on the monotonic clock, and why that was late. */
  beganAt: number
  lateReason: LateReason | null
}
