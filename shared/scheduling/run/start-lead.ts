/** The least time that writing a start takes; assumed until the first one was measured. */
const LEAST_MS = 4

/** The most that one sample counts for: a slower answer was a hiccup, and won't repeat. */
const MOST_MS = 50

/** What each of many starts at one instant adds, and the most that all of them add. Measured. */
const EACH_MS = 0.03
const ALL_MS = 1500

/** A slow start is forgotten slowly: after this many quick ones, a third of it remains. */
const MEMORY = 50

/**
 * How long before its instant an execution's start is written, so that it runs on time and not one round trip later.
 * Follows how long recent starts took: up at once, since being late is what this prevents, and down little by little.
 */
export class StartLead {
  #tookMs = LEAST_MS

  /** Returns milliseconds for `count` executions that start at one instant. */
  before = (count: number): number => this.#tookMs + Math.min(ALL_MS, count * EACH_MS)

  /** Records that a statement which started `count` executions took `tookMs` milliseconds. */
  record(count: number, tookMs: number): void {
    const took = Math.min(MOST_MS, Math.max(LEAST_MS, tookMs - count * EACH_MS))
    this.#tookMs = took > this.#tookMs ? took : this.#tookMs + (took - this.#tookMs) / MEMORY
  }
}
