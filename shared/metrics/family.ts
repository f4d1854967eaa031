import type { Buckets } from '../counting/buckets.ts'

export type Labels = Record<string, string>

type Sample = { labels: Labels; value: number }

/** The part of a metric's name that all metrics share. */
const PREFIX = 'task_scheduler_'

/** A metric with all of its series, as they are now. */
export type Family = { name: string; help: string } & (
  | { type: 'counter' | 'gauge'; samples: Sample[] }
  | { type: 'histogram'; samples: { labels: Labels; buckets: Buckets }[] }
)

/** Returns a counter or gauge. `values`: a single value, or one for each set of labels. */
export const plain = (
  type: 'counter' | 'gauge',
  name: string,
  help: string,
  values: number | [Labels, number][],
): Family => ({
  name: PREFIX + name,
  help,
  type,
  samples: (typeof values === 'number' ? [[{}, values] as const] : values).map(([labels, value]) => ({
    labels,
    value,
  })),
})

/** Returns a histogram. */
export const histogram = (name: string, help: string, series: [Labels, Buckets][]): Family => ({
  name: PREFIX + name,
  help,
  type: 'histogram',
  samples: series.map(([labels, buckets]) => ({ labels, buckets })),
})

/** Returns values by one label. */
export const by = (label: string, values: Iterable<[string, number]>): [Labels, number][] =>
  [...values].map(([key, value]) => [{ [label]: key }, value])
