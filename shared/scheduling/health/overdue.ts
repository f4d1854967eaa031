import { isUnreachable } from '../../db.ts'
import { logger } from '../../logger.ts'

/** What must happen again and again, or executions are late. */
export type Duty = 'tick' | 'heartbeat' | 'settle'

type Owed = { since: number; dueAt: number; isLate: boolean; failure: unknown }

/**
 * Watches over what a scheduler owes: whatever is overdue by a third of a lease is a WARN, with how long and why, and a line when it is over.
 * It looks at its clock only; whether anything works is not for it to find out.
 */
export class Overdue {
  readonly #graceMs: number
  readonly #owed = new Map<Duty, Owed>()
  #timer: NodeJS.Timeout | undefined
  #isWatching = false
  #unreachableAt = Number.NEGATIVE_INFINITY

  constructor(leaseSeconds: number) {
    this.#graceMs = (leaseSeconds * 1000) / 3
  }

  /** A scheduler runs in this process. */
  get isWatching(): boolean {
    return this.#isWatching
  }

  watch(): void {
    this.#isWatching = true
  }

  /** It was just done, if it was owed, and is to be done within so many milliseconds from now. */
  owe(duty: Duty, withinMs: number): void {
    const now = performance.now()
    this.#end(duty, now)
    this.#owed.set(duty, { since: now, dueAt: now + withinMs, isLate: false, failure: undefined })
    this.#look()
  }

  /** The same, unless it is owed already. */
  oweAtLeast(duty: Duty, withinMs: number): void {
    if (!this.#owed.has(duty)) this.owe(duty, withinMs)
  }

  /** It isn't owed any more. */
  done(duty: Duty): void {
    this.#end(duty, performance.now())
  }

  /** It was tried, and why that failed is what a warning will say. */
  failed(duty: Duty, error: unknown): void {
    if (isUnreachable(error)) this.#unreachableAt = performance.now()
    const owed = this.#owed.get(duty)
    if (owed) owed.failure = error
  }

  /** Whether the database could not be reached at some time since: `performance.now()`. */
  wasUnreachableSince(at: number): boolean {
    return this.#unreachableAt >= at
  }

  /** Returns what is overdue by a third of a lease. */
  late(): Duty[] {
    const now = performance.now()
    return [...this.#owed].filter(([, it]) => now - it.dueAt >= this.#graceMs).map(([duty]) => duty)
  }

  /** Returns since when what is overdue for longest was to be done: `performance.now()`; undefined when nothing is owed. */
  longest(): number | undefined {
    const all = [...this.#owed.values()].map(({ dueAt }) => dueAt)
    return all.length > 0 ? Math.min(...all) : undefined
  }

  #end(duty: Duty, now: number): void {
    const owed = this.#owed.get(duty)
    this.#owed.delete(duty)
    if (owed?.isLate) {
      logger.warn(`${duty} is on time again`, { late_ms: Math.round(now - owed.dueAt) })
    }
  }

  /** One timer for all: most of what is owed is done long before it would be late. */
  #look(): void {
    if (this.#timer) return
    const now = performance.now()
    for (const [duty, owed] of this.#owed) this.#warn(duty, owed, now)
    const waiting = [...this.#owed.values()].filter((it) => !it.isLate).map((it) => it.dueAt)
    if (waiting.length === 0) return
    const inMs = Math.max(0, Math.min(...waiting) + this.#graceMs - now)
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#look()
    }, Math.ceil(inMs)).unref()
  }

  #warn(duty: Duty, owed: Owed, now: number): void {
    if (owed.isLate || now - owed.dueAt < this.#graceMs) return
    owed.isLate = true
    const { failure } = owed
    const why = failure instanceof Error ? { error: failure } : { detail: 'no answer yet' }
    logger.warn(`${duty} is overdue`, { overdue_ms: Math.round(now - owed.dueAt), ...why })
  }
}
