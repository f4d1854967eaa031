import { setTimeout as wait } from 'node:timers/promises'
import type { Claim } from './claim.ts'

/**
 * Gives a claim's executions at their own instants, those that are due together as one group: `since` is the claim's instant
 * on the monotonic clock (`performance.now()`), and no local wall clock is asked. One timer for all. What was not yet due when
 * `signal` aborts is not given any more.
 */
export async function* release(claim: Claim, since: number, signal: AbortSignal): AsyncGenerator<number[]> {
  const waiting = claim.executionIds
    .map((id, index) => ({ id, at: since + (claim.waitsMs[index] ?? 0) }))
    .sort((a, b) => a.at - b.at)
  while (!signal.aborted) {
    const [first] = waiting
    if (first === undefined) return
    const now = performance.now()
    // A timer may fire a millisecond early: the clock decides, not the timer.
    const group = waiting.findIndex(({ at }) => at > now)
    const due = waiting.splice(0, group === -1 ? waiting.length : group)
    if (due.length > 0) yield due.map(({ id }) => id)
    else await wait(Math.ceil(first.at - now), undefined, { signal }).catch(() => {})
  }
}
