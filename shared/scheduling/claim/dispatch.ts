import type { Queryable } from '../../db.ts'
import { freeUnstarted } from '../state/free.ts'
import type { Claim } from './claim.ts'

/** How claimed executions reach the code that runs them: in this process, or by an asynchronous invocation. */
export type Dispatcher = {
  /**
   * Returns how many executions may be claimed. `now`: due executions that the claim itself starts. `ahead`: executions
   * of any kind, due or not. `quick`: manual runs and executions of quick and new tasks, which may be claimed even if
   * `ahead` is 0.
   */
  capacity(): Promise<{ now: number; ahead: number; quick?: number }>
  /** Reserves `count` slots for claims in flight that start their executions; a negative count releases them. */
  reserve?(count: number): void
  /** Maximum number of executions per claim. Default: unlimited. */
  claimSize?: number
  /** Sends a claim to its worker. Resolves when the claim has arrived, not when its runs have ended. */
  send(claim: Claim): Promise<void>
  /** Requests an early tick, if the runtime can do that. */
  nudge?(): void
}

/**
 * Sends claims to their workers. If some claims can't be sent, frees the executions of these claims and of all claims
 * that haven't been sent yet, so that no execution has to wait for a lease to expire, and then rejects.
 */
export async function dispatch(sql: Queryable, dispatcher: Dispatcher, claims: Claim[]): Promise<void> {
  for (let from = 0; from < claims.length; from += SENT_AT_ONCE) {
    const some = claims.slice(from, from + SENT_AT_ONCE)
    const sent = await Promise.allSettled(some.map((claim) => dispatcher.send(claim)))
    const failed = sent.find((it) => it.status === 'rejected')
    if (!failed) continue
    const left = [
      ...some.filter((_, index) => sent[index]?.status === 'rejected'),
      ...claims.slice(from + SENT_AT_ONCE),
    ]
    await freeUnstarted(
      sql,
      left.flatMap(({ executions }) => executions),
    )
    throw failed.reason
  }
}

/** Maximum number of claims sent at once. On Lambda, each is a separate call. */
const SENT_AT_ONCE = 20
