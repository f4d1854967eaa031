import type { Clock } from '../../clock.ts'
import type { ClaimedExecution } from '../claim/claim.ts'
import type { LateReason } from '../state/late-reason.ts'

/** Why a run is stopped before it is done: the reason of its AbortSignal. */
export type StopReason = 'timeout' | 'cancelled' | 'shutdown' | 'claim_lost'

/** What the heartbeat needs of a run. */
export type Stoppable = { readonly execution: ClaimedExecution; stop(reason: StopReason): void }

/** A claim that this process holds. */
export type HeldClaim = {
  readonly id: string
  /** The executions that it was claimed with. */
  readonly executionIds: number[]
  readonly runs: Set<Stoppable>
  /** How many of its executions this process isn't done with. */
  left: number
  /** How many have ended, as the database has confirmed. */
  ended: number
  /** When the lease ends at the latest, on this process' monotonic clock (`performance.now()`, milliseconds). */
  leaseEnds: number
  /** Its lease is over. Nothing of it may be started any more, since another worker may have it. */
  lost: boolean
  /** Its row is gone. */
  gone: boolean
  expiry: NodeJS.Timeout | undefined
  /** Called once, when this process is done with it. */
  readonly over: () => void
}

/** A claimed execution in this process, from the claim to the settlement. */
export type Work = {
  readonly execution: ClaimedExecution
  readonly claim: HeldClaim
  readonly clock: Clock
  /** When it is due, or when it starts if that is later. On the monotonic clock, like the other instants here. */
  at: number
  /** When it must have stopped, because its invocation ends then. */
  deadline: number
  /** No other worker can have its claim. */
  readonly isExclusive: boolean
  /** The answer to its start was lost, so the database may have it as started. */
  mayBeStarted: boolean
  /** While it starts and runs. */
  slot: Slot | undefined
  /** When its run began, and why that was late. */
  beganAt: number
  lateReason: LateReason | null
}

/** Which slots: the common ones, or those kept for quick work. */
export type Share = 'common' | 'kept'

/** A slot that is taken, as an item of a linked list. */
export type Slot = {
  readonly work: Work
  /** `performance.now()` when it was taken. */
  readonly since: number
  share: Share
  before: Slot | undefined
  after: Slot | undefined
}
