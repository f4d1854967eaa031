import { collectDefaultMetrics, type Metric, Registry } from '@prometheus-io/client'
import type { Buckets } from '../counting/buckets.ts'
import type { Family, Labels } from './family.ts'

type Value = { metricName?: string; labels: Record<string, string | number>; value: number }

/** Writes metrics in Prometheus' text format, along with those of the Node.js process. */
export class Exposition {
  readonly #ofNode = new Registry()

  constructor() {
    collectDefaultMetrics({ register: this.#ofNode })
  }

  readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE

  async text(families: Family[]): Promise<string> {
    const own = new Registry()
    for (const family of families) own.registerMetric(toMetric(family))
    return `${await own.metrics()}\n${await this.#ofNode.metrics()}`
  }
}

/**
 * Returns a metric that has been counted already. The client's own classes count by themselves, at five times the cost
 * for a run, so this object has only what `Registry.metrics` needs of a metric: its name, and `get`.
 */
function toMetric(family: Family): Metric {
  const { name, help, type } = family
  const values: Value[] =
    family.type === 'histogram'
      ? family.samples.flatMap(({ labels, buckets }) => toValues(name, labels, buckets))
      : family.samples
  return { name, get: async () => ({ name, help, type, values, aggregator: 'sum' }) } as unknown as Metric
}

/** Returns a histogram's series: buckets that include those below them, the sum, and the count. */
function toValues(name: string, labels: Labels, { bounds, counts, sum, count }: Buckets): Value[] {
  let below = 0
  const buckets = counts.map((own, index) => {
    below += own
    return { metricName: `${name}_bucket`, labels: { ...labels, le: bounds[index] ?? '+Inf' }, value: below }
  })
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  ]
}
