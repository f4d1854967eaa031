import { setTimeout as wait } from 'node:timers/promises'
import type { Database } from '../../db.ts'
import { logger } from '../../logger.ts'
import { undoLosses } from '../repair/undo-losses.ts'

type Claim = { id: string; executionIds: number[] }

/** Milliseconds between two attempts to report. */
const RETRY_MS = 1000

/** Maximum number of claims that one statement reports. */
const BATCH = 100
/**
 * Maximum number of executions that are remembered. If there are more, the oldest claims are forgotten, and their
 * losses count toward `crash_limit`.
 */
const REMEMBERED = 200_000

/**
 * Remembers the claims that this process gave up because it couldn't reach the database. Reports them once the database
 * can be reached again, so that their losses don't count toward `crash_limit`.
 */
export class GivenUp {
  readonly #sql: Database
  #claims: Claim[] = []
  #executions = 0
  #telling = false

  constructor(sql: Database) {
    this.#sql = sql
  }

  /** `executionIds`: all executions of the claim. Executions that have ended aren't affected. */
  add(id: string, executionIds: number[]): void {
    this.#claims.push({ id, executionIds })
    this.#executions += executionIds.length
    while (this.#executions > REMEMBERED) this.#executions -= this.#claims.shift()?.executionIds.length ?? 0
    if (this.#telling) return
    this.#telling = true
    void this.#tell()
  }

  async #tell(): Promise<void> {
    let claims = 0
    let executions = 0
    while (this.#claims.length > 0) {
      const batch = this.#claims.slice(0, BATCH)
      const executionIds = batch.flatMap((it) => it.executionIds)
      try {
        await undoLosses(this.#sql, { claimIds: batch.map(({ id }) => id), executionIds })
        this.#claims = this.#claims.filter((claim) => !batch.includes(claim))
        this.#executions = this.#claims.reduce((count, claim) => count + claim.executionIds.length, 0)
        claims += batch.length
        executions += executionIds.length
      } catch (error) {
        logger.debug('could not report the claims that were given up; will retry', { error: error as Error })
        await wait(RETRY_MS, undefined, { ref: false })
      }
    }
    this.#telling = false
    logger.warn('claims given up: the database could not be reached to renew them', { claims, executions })
  }
}
