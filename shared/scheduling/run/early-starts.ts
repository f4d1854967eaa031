import { setTimeout as wait } from 'node:timers/promises'
import type { Database } from '../../db.ts'
import { logger } from '../../logger.ts'
import { lastChange, stopUnwanted } from '../control/stop-early.ts'
import { DueTimer } from './due-timer.ts'
import type { HeldExecution } from './held.ts'

/** How many milliseconds before its due time an execution is checked for the last time. */
const CHECK_MS = 40

/** Number of groups that are checked at the same time, each on a connection of its own. */
const LANES = 3
const RETRY_MS = 250

/**
 * Executions whose starts were written together. `at`: when the first is due. `change`: the number of the last change
 * to any task, read before that.
 */
type Group = { at: number; items: HeldExecution[]; change: number }

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
  readonly #timer = new DueTimer<Group>((due) => void this.#check(due), { leadMs: () => CHECK_MS })

  constructor(sql: Database, tell: Listener) {
    this.#sql = sql
    this.#tell = tell
  }

  /** Adds executions. `change`: the number of the last change, read before their starts were written. */
  add(items: HeldExecution[], change: number): void {
    if (items.length === 0) return
    const at = items.reduce((first, item) => Math.min(first, item.at), Number.POSITIVE_INFINITY)
    this.#timer.add([{ at, items, change }])
  }

  /** Removes and returns the executions that haven't been checked. */
  clear(): HeldExecution[] {
    return this.#timer.clear().flatMap(({ items }) => items)
  }

  async #check(due: Group[]): Promise<void> {
    const change = await this.#changeBy((due[0] as Group).at)
    const isDoubtful = (it: Group) => change !== undefined && it.change !== change
    this.#tell.confirmed(due.flatMap((it) => (isDoubtful(it) ? [] : it.items)))
    // In lanes that share one iterator, so that a locked task doesn't hold up all other groups.
    const doubtful = due.filter(isDoubtful).values()
    const lane = async (): Promise<void> => {
      for (const { items } of doubtful) await this.#stopUnwanted(items)
    }
    await Promise.all(Array.from({ length: LANES }, lane))
  }

  /**
   * Returns the number of the last change, or undefined if there is no response by `at`. By then, it is too late for a
   * change to stop the executions.
   */
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
   * Checks each execution. If the check fails, any of them may have been stopped, so none of them begins until a retry
   * succeeds. Retries end when the leases expire.
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
