type Due = {
  /** The due time on this process's monotonic clock (`performance.now()`, milliseconds). */
  at: number
}

/** Items due within this many milliseconds of the first item form a group. The group size determines the lead. */
const TOGETHER_MS = 1

/**
 * If a timer fires early by less than this many milliseconds, the remaining time is waited out with `setImmediate`.
 * If there is a lead, a millisecond doesn't matter, so another timer is set instead.
 */
const SPIN_MS = 0.5

/** How early items may fire. */
type Early = {
  /** Returns how many milliseconds early a group of `count` items fires. */
  leadMs(count: number): number
  /**
   * Items due up to `withinMs` milliseconds later may fire along with the due items, up to `most` items in all.
   * Default: none do.
   */
  along?(): { most: number; withinMs: number }
}

const onTime: Early = { leadMs: () => 0 }
const ALONE = { most: 0, withinMs: 0 }

/**
 * Fires items when they are due, in order, with one timer for all. Compares due times only with the monotonic clock, so
 * a timer that fires early does no harm.
 */
export class DueTimer<T extends Due> {
  readonly #onDue: (due: T[]) => void
  readonly #early: Early
  #waiting: T[] = []
  #timer: NodeJS.Timeout | undefined
  #immediate: NodeJS.Immediate | undefined

  constructor(onDue: (due: T[]) => void, early: Early = onTime) {
    this.#onDue = onDue
    this.#early = early
  }

  add(items: T[]): void {
    if (items.length === 0) return
    this.#waiting = [...this.#waiting, ...items].sort((a, b) => a.at - b.at)
    this.#arm()
  }

  /** Removes and returns everything that hasn't fired. */
  clear(): T[] {
    this.#disarm()
    return this.#waiting.splice(0)
  }

  #arm(firedEarly = false): void {
    this.#disarm()
    const [first] = this.#waiting
    if (first === undefined) return
    const lead = this.#early.leadMs(this.#countUntil(first.at + TOGETHER_MS))
    const wait = first.at - lead - performance.now()
    if (wait <= 0) this.#fire(lead)
    // Timers count whole milliseconds, so another timer would be late by more than the time that is left.
    else if (firedEarly && lead === 0 && wait < SPIN_MS)
      this.#immediate = setImmediate(() => this.#fire(lead))
    else this.#timer = setTimeout(() => this.#fire(lead), Math.ceil(wait))
  }

  #disarm(): void {
    clearTimeout(this.#timer)
    clearImmediate(this.#immediate)
  }

  #fire(lead: number): void {
    const until = performance.now() + lead
    const count = this.#countUntil(until)
    if (count > 0) this.#onDue(this.#waiting.splice(0, this.#withAlong(count, until)))
    this.#arm(count === 0)
  }

  /** Returns how many items fire if `count` items are due by `until`. */
  #withAlong(count: number, until: number): number {
    const { most, withinMs } = this.#early.along?.() ?? ALONE
    return Math.max(count, Math.min(most, this.#countUntil(until + withinMs)))
  }

  /** Returns how many items are due by `instant`. Uses a binary search. */
  #countUntil(instant: number): number {
    let [low, high] = [0, this.#waiting.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#waiting[middle]?.at ?? Number.POSITIVE_INFINITY) <= instant) low = middle + 1
      else high = middle
    }
    return low
  }
}
