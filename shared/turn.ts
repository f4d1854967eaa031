import { setImmediate } from 'node:timers/promises'

/** How many milliseconds a loop over many rows may block this process. */
const TURN_MS = 10

/** For long loops: tells when everything else should get a turn. */
export class Turn {
  #since = performance.now()

  get isOver(): boolean {
    return performance.now() - this.#since > TURN_MS
  }

  /** Resolves when everything else has had a turn. */
  async next(): Promise<void> {
    await setImmediate()
    this.#since = performance.now()
  }
}
