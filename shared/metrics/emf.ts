import type { Buckets } from '../counting/buckets.ts'
import type { Family, Labels } from './family.ts'

/** Maximum number of values of one metric in a line (CloudWatch's embedded metric format). */
const VALUES = 100

type Metric = { name: string; unit: 'Count' | 'Seconds' | 'None'; values: number[] }

/**
 * Writes metrics in CloudWatch's embedded metric format: JSON lines in a function's log. CloudWatch adds up what it
 * reads, so a line has only what a counter has gained since the last call.
 */
export class Emf {
  readonly #before = new Map<string, number>()

  /** Returns a line for each set of labels, or several if a histogram has gained more than 100 values. */
  lines(namespace: string, families: Family[]): string[] {
    const byLabels = new Map<string, Metric[]>()
    for (const family of families) {
      for (const [labels, metric] of this.#metricsOf(family)) {
        if (metric.values.length === 0) continue
        const key = JSON.stringify(labels)
        byLabels.set(key, [...(byLabels.get(key) ?? []), metric])
      }
    }
    return [...byLabels].flatMap(([labels, metrics]) => toLines(namespace, JSON.parse(labels), metrics))
  }

  #metricsOf(family: Family): [Labels, Metric][] {
    const { name } = family
    if (family.type === 'histogram') {
      return family.samples.map(({ labels, buckets }) => [
        labels,
        { name, unit: 'Seconds', values: this.#newValues(name, labels, buckets) },
      ])
    }
    if (family.type === 'gauge') {
      const unit = name.endsWith('_seconds') ? 'Seconds' : 'None'
      return family.samples.map(({ labels, value }) => [labels, { name, unit, values: [value] }])
    }
    return family.samples.map(({ labels, value }) => {
      const gained = this.#gained(name, labels, value)
      return [labels, { name, unit: 'Count', values: gained > 0 ? [gained] : [] }]
    })
  }

  /** Returns the values that a histogram has gained, each as the middle of its bucket. */
  #newValues(name: string, labels: Labels, { bounds, counts }: Buckets): number[] {
    return counts.flatMap((count, index) => {
      const low = bounds[index - 1] ?? 0
      const middle = (low + (bounds[index] ?? low)) / 2
      return Array.from({ length: this.#gained(`${name} ${index}`, labels, count) }, () => middle)
    })
  }

  #gained(name: string, labels: Labels, value: number): number {
    const key = name + JSON.stringify(labels)
    const before = this.#before.get(key) ?? 0
    this.#before.set(key, value)
    return value - before
  }
}

function toLines(namespace: string, labels: Labels, metrics: Metric[]): string[] {
  const count = Math.ceil(Math.max(...metrics.map(({ values }) => values.length)) / VALUES)
  return Array.from({ length: count }, (_, index) => {
    const parts = metrics
      .map((it) => ({ ...it, values: it.values.slice(index * VALUES, (index + 1) * VALUES) }))
      .filter(({ values }) => values.length > 0)
    return JSON.stringify({
      _aws: {
        Timestamp: Date.now(),
        CloudWatchMetrics: [
          {
            Namespace: namespace,
            Dimensions: [Object.keys(labels)],
            Metrics: parts.map(({ name, unit }) => ({ Name: name, Unit: unit })),
          },
        ],
      },
      ...labels,
      ...Object.fromEntries(
        parts.map(({ name, values }) => [name, values.length === 1 ? values[0] : values]),
      ),
    })
  })
}
