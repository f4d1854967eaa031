import { setTimeout as wait } from 'node:timers/promises'
import type { Database } from '../../db.ts'
import { logger } from '../../logger.ts'
import { lastChange, stopUnwanted } from '../control/stop-early.ts'
import { DueTimer } from './due-timer.ts'
import type { HeldExecution } from './held.ts'

/** How long before an execution is due it is checked for the last time, in milliseconds. */
const CHECK_MS = 40

/** Maximum number of executions that one statement checks. */
const BATCH = 1000
const RETRY_MS = 250

/** An execution, and the number of the last change to a task before its start was written. */
type Early = { at: number; item: HeldExecution; change: number }

/** Callbacks that report what happened to executions. */
type Listener = {
  /** Called when executions may begin at their due time. */
  confirmed(items: HeldExecution[]): void
  /** Called when an execution must not begin. */
  stopped(item: HeldExecution): void
}

/**
 * Holds executions whose start was written long before they are due, because many are due at the same time. Shortly
 * before they are due, asks the database whether any task has changed since. If so, checks each execution. In all other
 * cases, a single small query confirms thousands of executions.
 */
export class EarlyStarts {
  readonly #sql: Database
  readonly #tell: Listener
  readonly #timer = new DueTimer<Early>((due) => void this.#check(due), {
    leadMs: () => CHECK_MS,
    along: () => ({ most: 0, withinMs: 0 }),
  })

  constructor(sql: Database, tell: Listener) {
    this.#sql = sql
    this.#tell = tell
  }

  /** Adds executions whose start was written after `change` was the number of the last change. */
  add(items: HeldExecution[], change: number): void {
    this.#timer.add(items.map((item) => ({ at: item.at, item, change })))
  }

  /** Removes and returns the executions that haven't been checked. */
  clear(): HeldExecution[] {
    return this.#timer.clear().map(({ item }) => item)
  }

  async #check(due: Early[]): Promise<void> {
    const change = await this.#changeBy(Math.min(...due.map(({ at }) => at)))
    const isDoubtful = (it: Early) => change !== undefined && it.change !== change
    const doubtful = due.filter(isDoubtful).map(({ item }) => item)
    this.#tell.confirmed(due.filter((it) => !isDoubtful(it)).map(({ item }) => item))
    for (let from = 0; from < doubtful.length; from += BATCH) {
      await this.#stopUnwanted(doubtful.slice(from, from + BATCH))
    }
  }

  /** Returns the number of the last change, or undefined if there is no response by `at`. A change is then too late. */
  async #changeBy(at: number): Promise<number | undefined> {
    try {
      const tooLate = wait(Math.max(0, at - performance.now()), undefined)
      return await Promise.race([lastChange(this.#sql), tooLate])
    } catch (error) {
      logger.warn('could not check whether tasks have changed', { error: error as Error })
      return undefined
    }
  }

  /**
   * Checks each execution. If that fails, it may have been stopped, so it doesn't begin before a retry succeeds. Retries
   * end when the leases expire.
   */
  async #stopUnwanted(items: HeldExecution[]): Promise<void> {
    const held = items.filter(({ claim }) => !claim.lost)
    for (const item of items) if (item.claim.lost) this.#tell.stopped(item)
    if (held.length === 0) return
    try {
      const wanted = await stopUnwanted(
        this.#sql,
        held.map(({ execution }) => execution),
      )
      this.#tell.confirmed(held.filter(({ execution }) => wanted.has(execution)))
      for (const item of held) if (!wanted.has(item.execution)) this.#tell.stopped(item)
    } catch (error) {
      logger.warn('could not check executions before they begin', {
        count: held.length,
        error: error as Error,
      })
      await wait(RETRY_MS)
      await this.#stopUnwanted(held)
    }
  }
}
