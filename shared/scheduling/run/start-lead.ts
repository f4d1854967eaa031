/** Minimum time that writing a start takes, in milliseconds. Assumed until the first start has been measured. */
const LEAST_MS = 4

/** Maximum that one sample counts for, in milliseconds. A slower response was a hiccup that won't happen again. */
const MOST_MS = 50

/** Milliseconds that each of many simultaneous starts adds, and the maximum that all of them add. Measured. */
const EACH_MS = 0.03
const ALL_MS = 1500

/** A slow start is forgotten slowly: after this many quick starts, a third of its effect remains. */
const MEMORY = 50

/**
 * Decides how long before an execution is due its start is written, so that it runs on time and not one round trip
 * later. Follows how long recent starts took: the lead rises at once, since its purpose is to prevent late starts, and
 * falls gradually.
 */
export class StartLead {
  #tookMs = LEAST_MS

  /** Returns milliseconds for `count` executions that start at the same time. */
  before = (count: number): number => this.#tookMs + Math.min(ALL_MS, count * EACH_MS)

  /** Records that a statement which started `count` executions took `tookMs` milliseconds. */
  record(count: number, tookMs: number): void {
    const took = Math.min(MOST_MS, Math.max(LEAST_MS, tookMs - count * EACH_MS))
    this.#tookMs = took > this.#tookMs ? took : this.#tookMs + (took - this.#tookMs) / MEMORY
  }
}
