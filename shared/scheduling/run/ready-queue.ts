import { FairHalf } from '../../fair-half.ts'
import type { HeldExecution } from './held.ts'

/**
 * How many first attempts, latest first, are considered for kept slots. They are checked after each run, so there
 * mustn't be many of them.
 */
const CONSIDERED = 200

/**
 * Executions that are due in this process and wait for a slot. Manual runs go first. Retries get at most half of the
 * remaining slots, plus the slots that first attempts don't need. First attempts get the rest: half for the executions
 * that have waited longest, and half for the latest ones, so that the latest don't wait behind a backlog.
 */
export class ReadyQueue {
  #manual: HeldExecution[] = []
  #firstAttempts: HeldExecution[] = []
  #retries: HeldExecution[] = []
  readonly #retryShare = new FairHalf()
  readonly #oldestShare = new FairHalf()

  get size(): number {
    return this.#manual.length + this.#firstAttempts.length + this.#retries.length
  }

  add(items: HeldExecution[]): void {
    for (const item of items) {
      if (item.execution.trigger !== 'schedule') this.#manual.push(item)
      else if (item.execution.attempt > 1) this.#retries.push(item)
      else this.#firstAttempts.push(item)
    }
  }

  /** Removes and returns up to `count` executions, for common slots. */
  take(count: number): HeldExecution[] {
    const manual = this.#manual.splice(0, count)
    const left = count - manual.length
    const share = Math.max(left - this.#firstAttempts.length, this.#retryShare.of(left))
    const retries = this.#retries.splice(0, Math.min(this.#retries.length, share))
    return [...manual, ...retries, ...this.#takeFirstAttempts(left - retries.length)]
  }

  /**
   * Removes and returns the executions for which `takeSlot` returns true. Tries manual runs first, then first attempts,
   * latest first.
   */
  takeKept(takeSlot: (item: HeldExecution) => boolean): HeldExecution[] {
    const latest = this.#firstAttempts.slice(-CONSIDERED).reverse()
    const taken = new Set([...this.#manual, ...latest].filter(takeSlot))
    if (taken.size === 0) return []
    this.#manual = this.#manual.filter((item) => !taken.has(item))
    this.#firstAttempts = this.#firstAttempts.filter((item) => !taken.has(item))
    return [...taken]
  }

  /** Removes and returns every execution that matches. */
  remove(matches: (item: HeldExecution) => boolean): HeldExecution[] {
    const all = [...this.#manual, ...this.#retries, ...this.#firstAttempts]
    this.#manual = []
    this.#retries = []
    this.#firstAttempts = []
    this.add(all.filter((item) => !matches(item)))
    return all.filter(matches)
  }

  #takeFirstAttempts(count: number): HeldExecution[] {
    if (count >= this.#firstAttempts.length) return this.#firstAttempts.splice(0)
    const oldest = this.#firstAttempts.splice(0, this.#oldestShare.of(count))
    const latest = count - oldest.length
    return latest === 0 ? oldest : [...oldest, ...this.#firstAttempts.splice(-latest)]
  }
}
