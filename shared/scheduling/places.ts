import type { Work } from './starter.ts'

/** Of the places so many are kept for what is quick: an eighth, 16 at most, and none of fewer than 4. */
const KEPT_SHARE = 8
const KEPT_MOST = 16
const KEPT_FROM = 4

/** A run that lasts longer than this is not quick, whatever was known of its task. */
const SLOW_MS = 1000

/** Which places: those for everyone, or those that are kept. */
export type Share = 'everyone' | 'kept'

/** Returns how many of so many places are kept. */
export const keptOf = (places: number): number =>
  places < KEPT_FROM ? 0 : Math.min(KEPT_MOST, Math.max(1, Math.floor(places / KEPT_SHARE)))

/**
 * Who runs where. Most places are for everyone. A few are kept for runs by hand, for tasks whose last run was quick, and for new ones, unless runs with the
 * same target hang just now. None of the targets has more than half of the kept places.
 */
export class Places {
  readonly #general: number
  readonly #kept: number
  readonly #inGeneral = new Map<Work, number>()
  readonly #inKept = new Map<Work, number>()
  #reserved = 0
  /** When a place for everyone was free again; infinite while none is. */
  #fullUntil = Number.NEGATIVE_INFINITY

  constructor(places: number) {
    this.#kept = keptOf(places)
    this.#general = places - this.#kept
  }

  /** Places for everyone that are free. */
  get free(): number {
    return this.#general - this.#inGeneral.size - this.#reserved
  }

  get taken(): number {
    return this.#inGeneral.size + this.#inKept.size
  }

  /** Kept places that are free. */
  get keptFree(): number {
    return this.#kept - this.#inKept.size
  }

  /** How many places are kept. */
  get kept(): number {
    return this.#kept
  }

  /** Keeps so many places for everyone for what will come started; less than 0 ends that. */
  reserve(count: number): void {
    this.#reserved += count
    this.#noteFull()
  }

  take(work: Work): void {
    this.#inGeneral.set(work, performance.now())
    this.#noteFull()
  }

  /** Whether there was no place for everyone at some time since: `performance.now()`. */
  wereFullSince(at: number): boolean {
    return this.#fullUntil >= at
  }

  #noteFull(): void {
    if (this.free <= 0) this.#fullUntil = Number.POSITIVE_INFINITY
    else if (this.#fullUntil === Number.POSITIVE_INFINITY) this.#fullUntil = performance.now()
  }

  /** Gives whether there was a kept place that it may have, and then it has it. `hanging` are the targets of runs that are slow. */
  takeKept(work: Work, hanging: Set<string>): boolean {
    if (this.keptFree <= 0 || !isForKept(work, hanging)) return false
    const others = [...this.#inKept]
    const same = others.filter(([{ target }]) => target === work.target)
    if (same.length >= Math.ceil(this.#kept / 2)) return false
    if (isNew(work) && !this.#takesNew(others)) return false
    this.#inKept.set(work, performance.now())
    return true
  }

  /**
   * Nobody knows whether new ones are quick: they get a quarter of the kept places at a time. Those that turned out slow hold no more
   * than three quarters in all, of whatever targets.
   */
  #takesNew(others: [Work, number][]): boolean {
    const before = performance.now() - SLOW_MS
    const those = others.filter(([work]) => isNew(work))
    const quick = those.filter(([, since]) => since > before)
    const quarter = Math.floor(this.#kept / 4)
    return quick.length < quarter && those.length < this.#kept - quarter
  }

  /** The targets of what has run for longer than a quick run does. */
  hanging(): Set<string> {
    const before = performance.now() - SLOW_MS
    const targets = new Set<string>()
    for (const runs of [this.#inGeneral, this.#inKept]) {
      for (const [{ target }, since] of runs) if (since <= before) targets.add(target)
    }
    return targets
  }

  leave(work: Work): void {
    this.#inKept.delete(work)
    if (this.#inGeneral.delete(work)) this.#relieveKept()
    this.#noteFull()
  }

  /** A kept place whose run turned out to be slow is given back as soon as there is another for it. */
  #relieveKept(): void {
    if (this.#inKept.size === 0 || this.free <= 0) return
    const [oldest] = this.#inKept
    if (!oldest || performance.now() - oldest[1] < SLOW_MS) return
    this.#inKept.delete(oldest[0])
    this.#inGeneral.set(...oldest)
  }

  /** The names of the tasks that have held such places for longest, and for how many milliseconds the first of them has. */
  longest(share: Share, count: number): { names: string[]; ms: number } {
    const holders = share === 'kept' ? this.#inKept : this.#inGeneral
    const oldest = [...holders].toSorted(([, a], [, b]) => a - b).slice(0, count)
    const names = oldest.map(([{ execution }]) => execution.task.name)
    return { names, ms: oldest[0] ? performance.now() - oldest[0][1] : 0 }
  }
}

const isByHand = ({ execution }: Work): boolean => execution.trigger !== 'schedule'

const isNew = (work: Work): boolean => !isByHand(work) && work.execution.lastRun === 'none'

function isForKept(work: Work, hanging: Set<string>): boolean {
  const { attempt, lastRun } = work.execution
  if (isByHand(work)) return true
  if (attempt > 1 || lastRun === 'slow') return false
  return lastRun === 'quick' || !hanging.has(work.target)
}
