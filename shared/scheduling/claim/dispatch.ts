import type { Queryable } from '../../db.ts'
import { freeUnstarted } from '../state/free.ts'
import type { Claim } from './claim.ts'

/** How claimed executions reach the code that runs them: in this process, or by an asynchronous invocation. */
export type Dispatcher = {
  /**
   * Returns how many executions may be claimed: `now`, of those that are due and start with their claim; `ahead`, of
   * those that wait for their instant; and, when that is 0, `quick`, of manual runs and of tasks that are quick.
   */
  capacity(): Promise<{ now: number; ahead: number; quick?: number }>
  /** Reserves `count` slots for claims in flight whose executions start with them; a negative count releases them. */
  reserve?(count: number): void
  /** Executions per claim. Default: unlimited. */
  claimSize?: number
  /** Sends a claim to its worker. Resolves when it has arrived, not when it is done. */
  send(claim: Claim): Promise<void>
  /** Asks for an early tick, if the runtime can do that. */
  nudge?(): void
}

/**
 * Sends claims to their workers. If one can't be sent it frees that claim and all that follow, so that they needn't
 * wait for their leases to end, and rejects.
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

/** Claims sent at once. On Lambda each is a call of its own. */
const SENT_AT_ONCE = 20
