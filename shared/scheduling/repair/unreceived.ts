import type { Database } from '../../db.ts'
import { logger } from '../../logger.ts'
import { freeUnreceived } from './hand-back-claims.ts'

/** Claims whose statement failed without an answer. It may be committed anyway, now or once it gets its locks. */
type Unreceived = { ids: string[]; since: number }

/** How many claims are remembered. The others are recovered when their leases end. */
const REMEMBERED = 1000

let unreceived: Unreceived[] = []

/** Remembers claims that no worker received. `since`: `performance.now()` before they were asked for. */
export function rememberUnreceived(ids: string[], since: number): void {
  unreceived.push({ ids, since })
  while (unreceived.reduce((count, it) => count + it.ids.length, 0) > REMEMBERED) unreceived.shift()
}

/**
 * Frees what those claims hold, so that it doesn't count as lost. It looks for each of them until its lease would have
 * ended, since the server may commit late.
 */
export async function freeAllUnreceived(sql: Database, leaseSeconds: number): Promise<void> {
  if (unreceived.length === 0) return
  const until = performance.now() - leaseSeconds * 1000
  const ids = unreceived.flatMap((it) => it.ids)
  const freed = await freeUnreceived(sql, ids)
  unreceived = unreceived.filter(({ since }) => since > until)
  if (freed > 0) logger.warn('executions freed: the answer to their claim was lost', { count: freed })
}
