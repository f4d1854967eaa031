/** Milliseconds that writing a start takes at least, as far as anyone knows before the first one. */
const LEAST_MS = 4

/** And at most, as far as this believes: an answer that took longer was held up once, and won't be again. */
const MOST_MS = 50

/** What many starts of one instant take each, and all together at most: measured. */
const EACH_MS = 0.03
const MANY_MS = 1500

/** How soon it is forgotten that a start took long: two thirds of it after so many quick ones. */
const REMEMBERED = 50

/**
 * How long before its instant an execution's start is written, so that it runs at its instant and not one round trip later: what
 * starts took lately. A longer one counts at once, since to be late is what this is to prevent; shorter ones little by little.
 */
export class Lead {
  #tookMs = LEAST_MS

  /** Milliseconds, for so many that start at one instant. */
  before = (count: number): number => this.#tookMs + Math.min(MANY_MS, count * EACH_MS)

  /** A statement that started so many took so many milliseconds. */
  hear(count: number, tookMs: number): void {
    const took = Math.min(MOST_MS, Math.max(LEAST_MS, tookMs - count * EACH_MS))
    this.#tookMs = took > this.#tookMs ? took : this.#tookMs + (took - this.#tookMs) / REMEMBERED
  }
}
