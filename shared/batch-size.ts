/**
 * How many rows a statement takes: half as many after the server ended one for its time, and little by little more again. So a slow database
 * still gets on.
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
