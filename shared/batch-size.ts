/**
 * A batch size that adapts. It halves when the server cancels a slow statement, and grows back gradually, so that the
 * work makes progress even on a slow database.
 */
export class BatchSize {
  readonly #most: number
  #size: number

  constructor(most: number) {
    this.#most = most
    this.#size = most
  }

  get size(): number {
    return this.#size
  }

  tooSlow(): void {
    this.#size = Math.max(1, this.#size >> 1)
  }

  worked(): void {
    this.#size = Math.min(this.#most, this.#size + Math.ceil(this.#most / 32))
  }
}
