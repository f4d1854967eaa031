/**
 * The size of a batch. It halves when the server ends a statement that took too long, and grows back little by little,
 * so that a slow database still makes progress.
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
