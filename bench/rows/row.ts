import type { Outcome, Trial } from '../trial/trial.ts'

type Size = 'quick' | 'full'

export type Metric = {
  key: string
  label: string
  unit: string
  /** Which way is better. */
  better: 'more' | 'less'
}

export type Case = {
  name: string
  /** Of the row's systems only these: for what would take the others too long to prepare. */
  only?: string[]
  run(trial: Trial): Promise<Outcome>
}

/** One question, in several cases. The first metric is the one that systems are compared by. */
export type Row = {
  name: string
  title: string
  /** What is done, and what the numbers mean: for the report. */
  about: string
  metrics: [Metric, ...Metric[]]
  systems: string[]
  /** How often, when the command line doesn't say: less where a row takes long, or its numbers hardly vary. */
  repetitions: number
  /** Those of `--quick`, when it names none. */
  quick: string[]
  cases(size: Size): Case[]
}

export const bestSystems = ['ours', 'pg-boss-best', 'graphile-best', 'agenda-best']

export const allSystems = [
  ...bestSystems,
  'ours-default',
  'pg-boss-default',
  'graphile-default',
  'agenda-default',
]

export const eventLoopMetrics: Metric[] = [
  { key: 'event_loop_max_ms', label: 'event loop max', unit: 'ms', better: 'less' },
  { key: 'event_loop_own_max_ms', label: 'most own CPU at a stretch', unit: 'ms', better: 'less' },
]

/** What every row on throughput says besides its rate. */
export const costMetrics: Metric[] = [
  { key: 'client_us', label: 'client CPU', unit: 'us/run', better: 'less' },
  { key: 'server_us', label: 'server CPU', unit: 'us/run', better: 'less' },
  { key: 'wal_bytes', label: 'WAL', unit: 'B/run', better: 'less' },
  { key: 'commits_per_1000', label: 'commits', unit: '/1,000 runs', better: 'less' },
  ...eventLoopMetrics,
  { key: 'foreign_share', label: 'foreign CPU', unit: 'share', better: 'less' },
]

export const rate: Metric = { key: 'rate', label: 'runs', unit: '/s', better: 'more' }

export const named = (count: number): string => count.toLocaleString('en')
