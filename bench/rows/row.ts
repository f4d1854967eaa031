import type { Outcome, Trial } from '../trial/trial.ts'

type Size = 'quick' | 'full'

export type Metric = {
  key: string
  label: string
  unit: string
  /** Which direction is better. */
  better: 'more' | 'less'
}

export type Case = {
  name: string
  /** Only these systems of the row. For what would take others too long to prepare. */
  only?: string[]
  run(trial: Trial): Promise<Outcome>
}

/** One question, in several cases. Systems are compared by the first metric. */
export type Row = {
  name: string
  title: string
  /** What it does and what the numbers mean, for the report. */
  about: string
  metrics: [Metric, ...Metric[]]
  systems: string[]
  /** How often, if the command line doesn't say. Fewer if a row takes long or varies little. */
  repetitions: number
  /** The systems of `--quick`, if it names none. */
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

/** What every throughput row reports besides its rate. */
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
