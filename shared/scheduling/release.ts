type Waiting = {
  /** On this process' monotonic clock (`performance.now()`, milliseconds). */
  at: number
}

/** One group is released for all that is due within this of each other: of those it can't be told which was meant first. */
const TOGETHER_MS = 1

/** So many milliseconds are waited for in turns of the event loop, when a timer came early by them. */
const SPIN_MS = 0.5

/**
 * Releases what waits, in the order of its instants, `leadMs` before each: one timer for all. `leadMs` is asked about the number that
 * come together. No local wall clock is asked, and a timer that fires early changes nothing: the clock decides.
 */
export class Releaser<T extends Waiting> {
  readonly #release: (due: T[]) => void
  readonly #leadMs: (count: number) => number
  #waiting: T[] = []
  #timer: NodeJS.Timeout | undefined
  #soon: NodeJS.Immediate | undefined

  constructor(release: (due: T[]) => void, leadMs: (count: number) => number = () => 0) {
    this.#release = release
    this.#leadMs = leadMs
  }

  add(items: T[]): void {
    if (items.length === 0) return
    this.#waiting = [...this.#waiting, ...items].sort((a, b) => a.at - b.at)
    this.#arm()
  }

  /** What is not released yet isn't any more. */
  clear(): T[] {
    this.#disarm()
    return this.#waiting.splice(0)
  }

  #arm(isEarly = false): void {
    this.#disarm()
    const [first] = this.#waiting
    if (first === undefined) return
    const together = this.#countUntil(first.at + TOGETHER_MS)
    const lead = this.#leadMs(together)
    const wait = first.at - lead - performance.now()
    if (wait <= 0) this.#fire(lead)
    // A timer takes whole milliseconds, and this one fired a little early: another one would be late by more than what is missing.
    else if (isEarly && wait < SPIN_MS) this.#soon = setImmediate(() => this.#fire(lead))
    else this.#timer = setTimeout(() => this.#fire(lead), Math.ceil(wait))
  }

  #disarm(): void {
    clearTimeout(this.#timer)
    clearImmediate(this.#soon)
  }

  #fire(lead: number): void {
    const due = this.#waiting.splice(0, this.#countUntil(performance.now() + lead))
    if (due.length > 0) this.#release(due)
    this.#arm(due.length === 0)
  }

  /** How many are due at that instant: a search by halves, since they are in order. */
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
