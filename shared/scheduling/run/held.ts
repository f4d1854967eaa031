import type { Clock } from '../../clock.ts'
import type { ClaimedExecution } from '../claim/claim.ts'
import type { LateReason } from '../state/late-reason.ts'

/** Why a run was stopped before it ended: the reason of its AbortSignal. */
export type StopReason = 'timeout' | 'cancelled' | 'shutdown' | 'claim_lost'

/** The part of a run that the heartbeat needs. */
export type Stoppable = { readonly execution: ClaimedExecution; stop(reason: StopReason): void }

/** A claim that this process holds. */
export type HeldClaim = {
  readonly id: string
  /** Ids of all executions that were part of the claim when this process got it. */
  readonly executionIds: number[]
  /** Converts the executions' times to this process's monotonic clock. */
  readonly clock: Clock
  /** True if no other worker can hold the claim. */
  readonly isExclusive: boolean
  /** The time by which its runs must stop, because the invocation ends then. On the monotonic clock. */
  deadline: number
  readonly runs: Set<Stoppable>
  /** How many of its executions this process isn't done with yet. */
  left: number
  /** Number of its executions that have ended, as confirmed by the database. */
  ended: number
  /**
   * The time from which this process must consider the lease expired, on its monotonic clock (`performance.now()`,
   * milliseconds).
   */
  leaseEnds: number
  /**
   * Whether this process has lost the claim. If so, the claim's executions must no longer be started, since another
   * worker may have claimed them.
   */
  lost: boolean
  /** Whether the claim's row is gone. */
  gone: boolean
  expiry: NodeJS.Timeout | undefined
  /** Called once, when this process is done with the claim. */
  readonly over: () => void
}

/** A claimed execution in this process, from the claim to the settlement. */
export type HeldExecution = {
  readonly execution: ClaimedExecution
  readonly claim: HeldClaim
  /** Its due time, or its start if that is later. On the monotonic clock, like the other times here. */
  at: number
  /** Whether the response to its start was lost, so the database may have recorded the start. */
  mayBeStarted: boolean
  /** The share that its slot belongs to. An execution has a slot while it starts and runs. */
  share: Share | undefined
  /** `performance.now()` when it got its slot. */
  slotSince: number
  /** Its neighbors in the list of executions that have a slot, oldest slot first. */
  before: HeldExecution | undefined
  after: HeldExecution | undefined
  /** The time at which its run began, and why it began late. */
  beganAt: number
  lateReason: LateReason | null
}

/** The two groups of slots: common slots, and slots kept for quick work. */
export type Share = 'common' | 'kept'
