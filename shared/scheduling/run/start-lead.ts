/** Minimum time assumed for writing a start, in milliseconds. */
const LEAST_MS = 4

/** The time assumed for the first start, in milliseconds. The server and this process have to prepare its statement. */
const FIRST_MS = 15

/** Upper limit for a single measurement, in milliseconds. A slower response is considered an exception. */
const MOST_MS = 50

/** Milliseconds that each of many simultaneous starts adds to the lead, and the maximum for all of them. Measured. */
const EACH_MS = 0.03
const ALL_MS = 1500

/** A slow start is forgotten slowly: after this many quick starts, about a third of its effect remains. */
const MEMORY = 50

/**
 * Decides how far ahead of an execution's due time its start is written, so that the execution runs on time and not one
 * round trip later. This lead depends on how long recent starts took. It rises at once, so that the next starts aren't
 * late, and falls gradually.
 */
export class StartLead {
  #tookMs = FIRST_MS

  /** Returns the lead in milliseconds for `count` executions that start at the same time. */
  before = (count: number): number => this.#tookMs + Math.min(ALL_MS, count * EACH_MS)

  /** Records that a statement which started `count` executions took `tookMs` milliseconds. */
  record(count: number, tookMs: number): void {
    const took = Math.min(MOST_MS, Math.max(LEAST_MS, tookMs - count * EACH_MS))
    this.#tookMs = took > this.#tookMs ? took : this.#tookMs + (took - this.#tookMs) / MEMORY
  }
}
