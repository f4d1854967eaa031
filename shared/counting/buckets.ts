/**
 * A histogram with fixed buckets. Recording a value costs a few comparisons and three additions, since it happens once
 * per run.
 */
export class Buckets {
  /** Upper bounds, inclusive, in ascending order. A last bucket without a bound follows. */
  readonly bounds: readonly number[]
  /** Number of values in each bucket. */
  readonly counts: number[]
  sum = 0
  count = 0

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.counts = Array.from({ length: bounds.length + 1 }, () => 0)
  }

  add(value: number): void {
    const { bounds, counts } = this
    let index = 0
    while (index < bounds.length && value > (bounds[index] as number)) index += 1
    counts[index] = (counts[index] as number) + 1
    this.sum += value
    this.count += 1
  }
}
