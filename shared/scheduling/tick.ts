import type { Database } from '../db.ts'
import { logger } from '../logger.ts'
import { type ClaimOptions, claim } from './claim.ts'
import { handOver, type Invoke } from './invoke.ts'
import { resumeDue } from './pause.ts'
import { type Recovered, recover } from './recover.ts'
import { releaseQueuedRuns } from './run-now.ts'

/** Executions that one claim takes at most: larger sets gain nothing, and hold their locks longer. */
const BATCH = 500

export type Ticked = Recovered & { claimed: number; claimIds: string[] }

/**
 * One tick: gives back what silent workers held, then claims what is due or soon will be, in batches, until nothing is left or the workers are
 * full. It hands the claims over and doesn't wait for them. Safe to run anywhere, at any rate, any number at once.
 */
export async function tick(
  sql: Database,
  invoke: Invoke,
  options: Pick<ClaimOptions, 'leaseSeconds' | 'aheadMs' | 'now'>,
): Promise<Ticked> {
  const recovered = await recover(sql)
  await resumeDue(sql)
  await releaseQueuedRuns(sql)
  const ticked: Ticked = { ...recovered, claimed: 0, claimIds: [] }
  for (;;) {
    const limit = Math.min(BATCH, await invoke.capacity())
    if (limit <= 0) break
    const taken = await claim(sql, { ...options, limit })
    if (taken.claim.executionIds.length > 0) {
      ticked.claimed += taken.claim.executionIds.length
      ticked.claimIds.push(taken.claim.claimId)
      await handOver(sql, invoke, taken.claim)
    }
    if (taken.seen < limit) break
  }
  const { claimIds, ...counts } = ticked
  if (Object.values(counts).some((count) => count > 0)) logger.info('tick', counts)
  return ticked
}
