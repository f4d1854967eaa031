import { setImmediate } from 'node:timers/promises'

/** Milliseconds that a loop over many rows may hold this process. */
const TURN_MS = 10

/** What a long loop asks in between: whether everything else should have its turn. */
export class Turn {
  #since = performance.now()

  get isOver(): boolean {
    return performance.now() - this.#since > TURN_MS
  }

  /** Resolves when everything else has had its turn. */
  async next(): Promise<void> {
    await setImmediate()
    this.#since = performance.now()
  }
}
