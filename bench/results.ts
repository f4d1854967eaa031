import { median } from './measure/quantile.ts'
import type { Values } from './trial/trial.ts'

/** One system's result in one repetition of one case. */
export type Result = {
  row: string
  case: string
  system: string
  repetition: number
  values: Values
  note?: string
}

export type Results = {
  machine: {
    date: string
    cpu: string
    cores: number
    memoryGb: number
    node: string
    postgres: string
    server: string
    commit: string
    versions: Record<string, string>
  }
  quick: boolean
  results: Result[]
}

export type Spread = { median: number; min: number; max: number; count: number }

const spreadOf = (values: readonly number[]): Spread | null => {
  const known = values.filter(Number.isFinite)
  if (known.length === 0) return null
  return { median: median(known), min: Math.min(...known), max: Math.max(...known), count: known.length }
}

/** Returns the spread of one system's values for a metric, over all repetitions of a case. */
export const metricOf = (results: readonly Result[], system: string, key: string): Spread | null =>
  spreadOf(results.filter((it) => it.system === system).map((it) => it.values[key] ?? Number.NaN))

/**
 * Returns the ratios of a system's results to those of `ours`. Each ratio compares results from the same repetition,
 * which cancels out the machine's noise.
 */
export function ratioToOurs(results: readonly Result[], system: string, key: string): Spread | null {
  const ratios = results
    .filter((it) => it.system === system)
    .map((it) => {
      const own = results.find(
        ({ system: name, repetition }) => name === 'ours' && repetition === it.repetition,
      )
      const [value, ours] = [it.values[key], own?.values[key]]
      return value === undefined || !ours ? Number.NaN : value / ours
    })
  return spreadOf(ratios)
}

/** Returns the names of a row's cases in the order in which they were measured. */
export const casesOf = (results: readonly Result[], row: string): string[] => [
  ...new Set(results.filter((it) => it.row === row).map((it) => it.case)),
]
