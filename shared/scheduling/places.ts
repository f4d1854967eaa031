import type { Work } from './work.ts'

/** Of the places so many are kept for what is quick: an eighth, 16 at most, and none of fewer than 4. */
const KEPT_SHARE = 8
const KEPT_MOST = 16
const KEPT_FROM = 4

/** A run that lasts longer than this is not quick, whatever was known of its task. */
const SLOW_MS = 1000

/** Which places: those for everyone, or those that are kept. */
export type Share = 'everyone' | 'kept'

/** A place that is taken; those of one share stand in a list, the one that has been taken for longest first. */
export type Place = {
  readonly work: Work
  /** `performance.now()` when it was taken. */
  readonly since: number
  share: Share
  before: Place | undefined
  after: Place | undefined
}

/** Linked, since a hundred thousand come and go each second: each in no time, wherever it stands. */
class Taken {
  oldest: Place | undefined
  #latest: Place | undefined
  size = 0

  /** Most come last; one that comes from the other share goes before those that were taken after it. */
  add(place: Place): void {
    const latest = this.#latest
    const after = latest && latest.since > place.since ? this.#firstAfter(place.since) : undefined
    const before = after ? after.before : latest
    place.before = before
    place.after = after
    if (before) before.after = place
    else this.oldest = place
    if (after) after.before = place
    else this.#latest = place
    this.size += 1
  }

  remove({ before, after }: Place): void {
    if (before) before.after = after
    else this.oldest = after
    if (after) after.before = before
    else this.#latest = before
    this.size -= 1
  }

  *[Symbol.iterator](): Generator<Place> {
    for (let place = this.oldest; place; place = place.after) yield place
  }

  #firstAfter(since: number): Place | undefined {
    for (const place of this) if (place.since > since) return place
    return undefined
  }
}

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
  readonly #taken: Record<Share, Taken> = { everyone: new Taken(), kept: new Taken() }
  #reserved = 0
  /** When a place for everyone was free again; infinite while none is. */
  #fullUntil = Number.NEGATIVE_INFINITY

  constructor(places: number) {
    this.#kept = keptOf(places)
    this.#general = places - this.#kept
  }

  /** Places for everyone that are free. */
  get free(): number {
    return this.#general - this.#taken.everyone.size - this.#reserved
  }

  get taken(): number {
    return this.#taken.everyone.size + this.#taken.kept.size
  }

  /** Kept places that are free. */
  get keptFree(): number {
    return this.#kept - this.#taken.kept.size
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

  /** Gives each of them a place for everyone. */
  take(works: Work[]): void {
    const since = performance.now()
    for (const work of works) this.#add(work, 'everyone', since)
    this.#noteFull()
  }

  #add(work: Work, share: Share, since: number): void {
    work.place = { work, since, share, before: undefined, after: undefined }
    this.#taken[share].add(work.place)
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
    const others = [...this.#taken.kept]
    const same = others.filter((place) => targetOf(place) === work.execution.task.target)
    if (same.length >= Math.ceil(this.#kept / 2)) return false
    if (isNew(work) && !this.#takesNew(others)) return false
    this.#add(work, 'kept', performance.now())
    return true
  }

  /**
   * Nobody knows whether new ones are quick: they get a quarter of the kept places at a time. Those that turned out slow hold no more
   * than three quarters in all, of whatever targets.
   */
  #takesNew(others: Place[]): boolean {
    const before = performance.now() - SLOW_MS
    const those = others.filter(({ work }) => isNew(work))
    const quick = those.filter(({ since }) => since > before)
    const quarter = Math.floor(this.#kept / 4)
    return quick.length < quarter && those.length < this.#kept - quarter
  }

  /** The targets of what has run for longer than a quick run does. */
  hanging(): Set<string> {
    const before = performance.now() - SLOW_MS
    const targets = new Set<string>()
    for (const taken of Object.values(this.#taken)) {
      for (const place of taken) {
        if (place.since > before) break
        targets.add(targetOf(place))
      }
    }
    return targets
  }

  leave(work: Work): void {
    const { place } = work
    if (!place) return
    work.place = undefined
    this.#taken[place.share].remove(place)
    if (place.share === 'everyone') this.#relieveKept()
    this.#noteFull()
  }

  /** A kept place whose run turned out to be slow is given back as soon as there is another for it. */
  #relieveKept(): void {
    const { oldest } = this.#taken.kept
    if (!oldest || this.free <= 0 || performance.now() - oldest.since < SLOW_MS) return
    this.#taken.kept.remove(oldest)
    oldest.share = 'everyone'
    this.#taken.everyone.add(oldest)
  }

  /** The names of the tasks that have held such places for longest, and for how many milliseconds the first of them has. */
  longest(share: Share, count: number): { names: string[]; ms: number } {
    const { oldest } = this.#taken[share]
    const names: string[] = []
    for (const { work } of this.#taken[share]) {
      if (names.length === count) break
      names.push(work.execution.task.name)
    }
    return { names, ms: oldest ? performance.now() - oldest.since : 0 }
  }
}

const targetOf = ({ work }: Place): string => work.execution.task.target

const isByHand = ({ execution }: Work): boolean => execution.trigger !== 'schedule'

const isNew = (work: Work): boolean => !isByHand(work) && work.execution.lastRun === 'none'

function isForKept(work: Work, hanging: Set<string>): boolean {
  const { attempt, lastRun } = work.execution
  if (isByHand(work)) return true
  if (attempt > 1 || lastRun === 'slow') return false
  return lastRun === 'quick' || !hanging.has(work.execution.task.target)
}
