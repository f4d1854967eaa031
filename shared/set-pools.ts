import type { Database } from './db.ts'

/** Maximum number of rows in a small set. */
export const SMALL_SET = 50

/** How long to avoid the small-set pool after a failure, in milliseconds. */
const AVOID_MS = 10_000

/** Chooses a pool for a statement by the number of rows that it works on. */
export class SetPools {
  readonly any: Database
  readonly #small: Database
  #avoidUntil = Number.NEGATIVE_INFINITY

  constructor(any: Database, small: Database) {
    this.any = any
    this.#small = small
  }

  /** Returns the pool for a set of `count` rows. */
  for(count: number): Database {
    return count <= SMALL_SET && performance.now() >= this.#avoidUntil ? this.#small : this.any
  }

  /**
   * For a while, uses the `any` pool for small sets too. That pool's connections may still be open when
   * the server rejects new ones because all of its connections are taken.
   */
  failed(): void {
    this.#avoidUntil = performance.now() + AVOID_MS
  }
}
