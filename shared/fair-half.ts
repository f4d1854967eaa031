/** Divides a number between two sides. */
export class FairHalf {
  #isExtraFirst = false

  /** Returns the first side's half of `count`. If `count` is odd, the sides take turns getting the extra one. */
  of(count: number): number {
    if (count % 2 === 0) return count / 2
    this.#isExtraFirst = !this.#isExtraFirst
    return (count + (this.#isExtraFirst ? 1 : -1)) / 2
  }
}
