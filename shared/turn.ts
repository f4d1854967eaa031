import { setImmediate } from 'node:timers/promises'

/** The longest that a loop over many rows may block this process, in milliseconds. */
const TURN_MS = 10

/** Keeps a long loop from blocking other work. */
export class Turn {
  #since = performance.now()

  get isOver(): boolean {
    return performance.now() - this.#since > TURN_MS
  }

  /** Whether the turn would be over after a step that takes as long as the loop has taken so far. */
  get isHalfOver(): boolean {
    return performance.now() - this.#since > TURN_MS / 2
  }

  /** Resolves once other work has had its turn. */
  async next(): Promise<void> {
    await setImmediate()
    this.#since = performance.now()
  }
}
