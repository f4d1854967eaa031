import type { Database } from '../../db.ts'
import { logger } from '../../logger.ts'
import { freeUnreceived } from './drop-claims.ts'

/** Maximum number of claims that are remembered. The rest are recovered when their leases expire. */
const REMEMBERED = 1000

/**
 * Claims that no worker received, because the response to the claiming statement was lost. The server may have
 * committed that statement, or may still commit it once it gets its locks.
 */
export class UnreceivedClaims {
  #claims: { ids: string[]; since: number }[] = []

  /** Remembers claims. `since`: `performance.now()` before they were requested. */
  add(ids: string[], since: number): void {
    this.#claims.push({ ids, since })
    while (this.#claims.reduce((count, it) => count + it.ids.length, 0) > REMEMBERED) this.#claims.shift()
  }

  /**
   * Frees the executions that these claims hold, so that they don't count as lost. Keeps trying each claim until its
   * lease would have expired, since the server may commit late.
   */
  async freeAll(sql: Database, leaseSeconds: number): Promise<void> {
    if (this.#claims.length === 0) return
    const until = performance.now() - leaseSeconds * 1000
    const ids = this.#claims.flatMap((it) => it.ids)
    const freed = await freeUnreceived(sql, ids)
    this.#claims = this.#claims.filter(({ since }) => since > until)
    if (freed > 0) logger.warn('executions freed: the response to their claim was lost', { count: freed })
  }
}
