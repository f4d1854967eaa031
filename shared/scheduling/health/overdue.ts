import { isUnreachable } from '../../db.ts'
import { logger } from '../../logger.ts'

/** Work that must be done regularly so that executions aren't late. */
export type Duty = 'tick' | 'heartbeat' | 'settle'

type Owed = { since: number; dueAt: number; isLate: boolean; failure: unknown }

/**
 * Watches the scheduler's duties. When a duty is overdue by a third of the lease, logs a WARN with the delay and its
 * cause. Logs another WARN once the duty has been done. It only watches the clock; it doesn't check whether anything
 * works.
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

  /** Whether this process has a scheduler. */
  get isWatching(): boolean {
    return this.#isWatching
  }

  watch(): void {
    this.#isWatching = true
  }

  /** Records that a duty has been done, and that it must be done again within `withinMs`. */
  owe(duty: Duty, withinMs: number): void {
    const now = performance.now()
    this.#end(duty, now)
    this.#owed.set(duty, { since: now, dueAt: now + withinMs, isLate: false, failure: undefined })
    this.#look()
  }

  /** Records that a duty must be done within `withinMs`, unless it already has a due time. */
  oweAtLeast(duty: Duty, withinMs: number): void {
    if (!this.#owed.has(duty)) this.owe(duty, withinMs)
  }

  /** Records that a duty has been done, and that it needn't be done again. */
  done(duty: Duty): void {
    this.#end(duty, performance.now())
  }

  /** Records that an attempt at a duty failed. The warning will say why. */
  failed(duty: Duty, error: unknown): void {
    if (isUnreachable(error)) this.#unreachableAt = performance.now()
    const owed = this.#owed.get(duty)
    if (owed) owed.failure = error
  }

  /** Returns whether the database was unreachable at some time since `at` (`performance.now()`). */
  wasUnreachableSince(at: number): boolean {
    return this.#unreachableAt >= at
  }

  /** Returns the duties that are overdue by a third of the lease. */
  late(): Duty[] {
    const now = performance.now()
    return [...this.#owed].filter(([, it]) => now - it.dueAt >= this.#graceMs).map(([duty]) => duty)
  }

  /** Returns for how many milliseconds each duty is overdue; 0 if it isn't, or needn't be done. */
  overdueMs(): Record<Duty, number> {
    const now = performance.now()
    const of = (duty: Duty): number => Math.max(0, now - (this.#owed.get(duty)?.dueAt ?? now))
    return { tick: of('tick'), heartbeat: of('heartbeat'), settle: of('settle') }
  }

  /** Returns the earliest due time of all duties (`performance.now()`); undefined if there are no duties. */
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

  /** Warns about late duties. One timer serves all duties, since most are done long before they would be late. */
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
    const why = failure instanceof Error ? { error: failure } : { detail: 'no response yet' }
    logger.warn(`${duty} is overdue`, { overdue_ms: Math.round(now - owed.dueAt), ...why })
  }
}
