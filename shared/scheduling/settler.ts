import { setTimeout as wait } from 'node:timers/promises'
import { type Database, isUnreachable, wasTooSlow } from '../db.ts'
import { logger } from '../logger.ts'
import type { Claimed } from './claimed.ts'
import { explain, reportDropped } from './dropped.ts'
import { failed } from './outcome.ts'
import type { Overdue } from './overdue.ts'
import { describe } from './record.ts'
import { type DoneClaim, type Settlement, settle } from './settle.ts'
import type { HeldClaim, Work } from './work.ts'

/** Milliseconds that endings are gathered for; they go sooner when there are enough. */
const GATHER_MS = 2
const BATCH = 2000
/** Of results in one statement; a single one has fewer. */
const BATCH_BYTES = 4 * 2 ** 20
/** Statements at once, each on a connection of its own. */
const LANES = 3
const RETRY_MS = 250

/** Milliseconds that dropped executions are gathered for before the database is asked why. */
const DROPPED_MS = 100

/** An execution that has ended in this process. */
export type Ending = Settlement & {
  work: Work
  /** About how many the ledger will have of it. */
  bytes: number
}

/** Whom to tell: `ended`, once an end is written, or is known never to be; `over`, when the row of a claim is gone, or stays until its lease ends. */
type Told = { ended(ending: Ending, written: boolean): void; over(claim: HeldClaim): void }

/** Writes how executions ended, many in one statement, and removes the claims that are done with. */
export class Settler {
  readonly #sql: Database
  readonly #overdue: Overdue
  readonly #tell: Told
  /** Endings that aren't written yet. */
  #pending = 0
  #endings: Ending[] = []
  #left: HeldClaim[] = []
  #dropped: Claimed[] = []
  #timer: NodeJS.Timeout | undefined
  #busy = 0
  /** How much there is that is more urgent, and whether a flush has waited for it. */
  #held = 0
  #isOverdue = false

  constructor(sql: Database, overdue: Overdue, tell: Told) {
    this.#sql = sql
    this.#overdue = overdue
    this.#tell = tell
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
    if (this.#pending === 0) this.#overdue.oweAtLeast('settle', 0)
    this.#pending += 1
    this.#soon()
  }

  /** Of this claim nothing is left here, and no settlement removed it. */
  end(claim: HeldClaim): void {
    this.#left.push(claim)
    this.#soon()
  }

  /** Logs why executions lost their claim while they ran, once the database can be asked. */
  drop(execution: Claimed): void {
    if (this.#dropped.push(execution) > 1) return
    setTimeout(() => void reportDropped(this.#sql, this.#dropped.splice(0)), DROPPED_MS)
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
      void this.#lane(this.#endings.splice(0, this.#batchSize()), this.#left.splice(0, BATCH))
    }
  }

  #batchSize(): number {
    let bytes = 0
    for (let count = 0; count < BATCH; count += 1) {
      bytes += this.#endings[count]?.bytes ?? 0
      if (bytes > BATCH_BYTES) return Math.max(1, count)
    }
    return BATCH
  }

  /** Another lane is for more than one statement takes: until then the next batch gathers behind the first. */
  #hasLane(): boolean {
    return this.#busy === 0 || (this.#busy < LANES && this.#endings.length >= BATCH)
  }

  async #lane(endings: Ending[], left: HeldClaim[]): Promise<void> {
    this.#busy += 1
    await this.#write(endings, left)
    for (const claim of left) this.#tell.over(claim)
    this.#busy -= 1
    this.#pending -= endings.length
    if (this.#pending > 0) this.#overdue.owe('settle', 0)
    else this.#overdue.done('settle')
    this.#flush()
  }

  /** While the database is away it is tried again, for as long as the leases may still hold. One that is refused holds up no other. */
  async #write(endings: Ending[], left: HeldClaim[]): Promise<void> {
    const done = doneWith(endings, left)
    try {
      const { ids, gone } = await settle(this.#sql, endings, done)
      for (const { work } of endings) if (ids.has(work.execution.id)) work.claim.ended += 1
      for (const { claim } of done) claim.gone ||= gone.has(claim.id)
      for (const ending of endings) if (ids.has(ending.execution.id)) this.#tell.ended(ending, true)
      await this.#explain(endings.filter(({ execution }) => !ids.has(execution.id)))
    } catch (error) {
      await this.#writeAgain(endings, left, error)
    }
  }

  async #writeAgain(endings: Ending[], left: HeldClaim[], error: unknown): Promise<void> {
    if (isUnreachable(error)) {
      this.#overdue.failed('settle', error)
      if (endings.length === 0) return
      await wait(RETRY_MS)
      for (const ending of endings.filter(isLost)) this.#tell.ended(ending, false)
      const held = endings.filter((it) => !isLost(it))
      if (wasTooSlow(error) && held.length > 1) await this.#writeHalves(held, left)
      else await this.#write(held, left)
    } else if (endings.length > 1) await this.#writeHalves(endings, left)
    else for (const ending of endings) await this.#refused(ending, error)
  }

  async #writeHalves(endings: Ending[], left: HeldClaim[]): Promise<void> {
    const middle = endings.length >> 1
    await this.#write(endings.slice(0, middle), [])
    await this.#write(endings.slice(middle), left)
  }

  /** The database takes no part of it, so that much is what the ledger says. */
  async #refused(ending: Ending, error: unknown): Promise<void> {
    const { id: execution_id, task_id } = ending.execution
    logger.error('execution could not be settled', { execution_id, task_id, error: error as Error })
    const outcome = failed(`its end could not be written: ${describe(error)}`, { retryable: false })
    const settled = await settle(this.#sql, [{ ...ending, outcome }], []).catch(() => null)
    // If not, it stays open until the lease of its claim ends.
    this.#tell.ended(ending, settled?.ids.has(execution_id) ?? false)
  }

  /** What was not written may have been before: then only the answer got lost. */
  async #explain(missing: Ending[]): Promise<void> {
    if (missing.length === 0) return
    const written = await explain(this.#sql, missing)
    for (const ending of missing) this.#tell.ended(ending, written.has(ending.execution.id))
  }
}

const isLost = ({ work }: Ending): boolean => work.claim.lost

/** The claims of which nothing is left here once these are written, and those of which nothing was. */
function doneWith(endings: Ending[], left: HeldClaim[]): (DoneClaim & { claim: HeldClaim })[] {
  const counts = new Map<HeldClaim, number>(left.map((claim) => [claim, 0]))
  for (const { work } of endings) counts.set(work.claim, (counts.get(work.claim) ?? 0) + 1)
  return [...counts]
    .filter(([claim, count]) => claim.left === count)
    .map(([claim, count]) => {
      const isProven = claim.ended + count === claim.executionIds.length
      return { claim, id: claim.id, ends: isProven ? claim.executionIds.length : null }
    })
}
