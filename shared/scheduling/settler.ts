import { setTimeout as wait } from 'node:timers/promises'
import { type Database, isUnreachable } from '../db.ts'
import { logger } from '../logger.ts'
import type { HeldClaim } from './heartbeat.ts'
import { failed } from './outcome.ts'
import { describe } from './record.ts'
import { type Settlement, settle } from './settle.ts'

/** Milliseconds that endings are gathered for; they go sooner when there are enough. */
const GATHER_MS = 2
const BATCH = 2000
/** Statements at once, each on a connection of its own. */
const LANES = 3
const RETRY_MS = 250

/** An execution that has ended in this process, and the claim that it was held under. */
export type Ending = Settlement & {
  claim: HeldClaim
  /** Told whether it was written; false when its claim had passed on, null when nothing is known. */
  done(written: boolean | null): void
}

/** A claim of which nothing is left, and whom to tell when its row is gone, or stays behind for its lease to end. */
type Left = { claim: HeldClaim; done: () => void }

/** Writes how executions ended, many in one statement, and the end of their claims. */
export class Settler {
  readonly #sql: Database
  #endings: Ending[] = []
  #left: Left[] = []
  #timer: NodeJS.Timeout | undefined
  #busy = 0
  /** How much there is that is more urgent, and whether a flush has waited for it. */
  #held = 0
  #isOverdue = false

  constructor(sql: Database) {
    this.#sql = sql
  }

  /** Begins no statement until `work` is done, which must be soon: it is more urgent. */
  async after(work: Promise<void>): Promise<void> {
    this.#held += 1
    try {
      await work
    } finally {
      this.#held -= 1
      if (this.#held === 0 && this.#isOverdue) this.#flush()
    }
  }

  add(ending: Ending): void {
    this.#endings.push(ending)
    this.#soon()
  }

  /** Of this claim nothing is left, and no ending took it along. */
  end(claim: HeldClaim, done: () => void): void {
    this.#left.push({ claim, done })
    this.#soon()
  }

  #soon(): void {
    if (this.#endings.length >= BATCH) this.#flush()
    else this.#timer ??= setTimeout(() => this.#flush(), GATHER_MS)
  }

  #flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#isOverdue = this.#held > 0
    while (!this.#isOverdue && this.#hasLane() && this.#endings.length + this.#left.length > 0) {
      void this.#lane(this.#endings.splice(0, BATCH), this.#left.splice(0))
    }
  }

  /** Another lane is for more than one statement takes: until then the next batch gathers behind the first. */
  #hasLane(): boolean {
    return this.#busy === 0 || (this.#busy < LANES && this.#endings.length >= BATCH)
  }

  async #lane(endings: Ending[], left: Left[]): Promise<void> {
    this.#busy += 1
    await this.#write(endings, left)
    for (const { done } of left) done()
    this.#busy -= 1
    this.#flush()
  }

  /** While the database is away it is tried again, for as long as the leases may still hold. One that is refused holds up no other. */
  async #write(endings: Ending[], left: Left[]): Promise<void> {
    const ended = [...left.map(({ claim }) => claim), ...endedWith(endings)]
    try {
      const settled = await settle(this.#sql, endings, ended)
      for (const claim of ended) claim.ended = true
      for (const ending of endings) ending.done(settled.has(ending.execution.id))
    } catch (error) {
      if (isUnreachable(error)) await this.#writeLater(endings, left)
      else if (endings.length > 1) await this.#writeEach(endings, left)
      else for (const ending of endings) await this.#refused(ending, error)
    }
  }

  async #writeEach(endings: Ending[], left: Left[]): Promise<void> {
    for (const ending of endings) await this.#write([ending], [])
    await this.#write([], left)
  }

  /** The database takes no part of it, so that much is what the ledger says. */
  async #refused(ending: Ending, error: unknown): Promise<void> {
    const { id: execution_id, task_id } = ending.execution
    logger.error('execution could not be settled', { execution_id, task_id, error: error as Error })
    const outcome = failed(`its end could not be written: ${describe(error)}`, { retryable: false })
    const settled = await settle(this.#sql, [{ ...ending, outcome }], []).catch(() => null)
    leave(ending, settled?.has(execution_id) ?? null)
  }

  async #writeLater(endings: Ending[], left: Left[]): Promise<void> {
    if (endings.length === 0) return
    await wait(RETRY_MS)
    for (const ending of endings.filter(({ claim }) => claim.lost)) leave(ending, null)
    await this.#write(
      endings.filter(({ claim }) => !claim.lost),
      left,
    )
  }
}

/** The claims of which nothing is left once these are written. */
function endedWith(endings: Ending[]): HeldClaim[] {
  const counts = new Map<HeldClaim, number>()
  for (const { claim } of endings) counts.set(claim, (counts.get(claim) ?? 0) + 1)
  return [...counts].filter(([claim, count]) => claim.left === count).map(([claim]) => claim)
}

/** What can't be written stays open until the lease of its claim ends. */
function leave(ending: Ending, written: boolean | null): void {
  if (written === null) ending.claim.doubtful = true
  ending.done(written)
}
