import type { Outcome, Trial } from '../trial/trial.ts'

type Size = 'quick' | 'full'

export type Metric = {
  key: string
  label: string
  unit: string
  better: 'more' | 'less'
}

export type Case = {
  name: string
  /** The only systems that run this case. Set if other systems would take too long to prepare it. */
  only?: string[]
  run(trial: Trial): Promise<Outcome>
}

/** A benchmark with several cases. Systems are compared by the first metric. */
export type Row = {
  name: string
  title: string
  /** Explains in the report what the row does and what its numbers mean. */
  about: string
  metrics: [Metric, ...Metric[]]
  systems: string[]
  /** The default number of repetitions. Lower for rows that take a long time or vary little. */
  repetitions: number
  /** The systems that `--quick` measures, unless the command line names systems. */
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

export const eventLoopMax: Metric = {
  key: 'event_loop_max_ms',
  label: 'event loop max',
  unit: 'ms',
  better: 'less',
}

export const eventLoopMetrics: Metric[] = [
  eventLoopMax,
  { key: 'event_loop_own_max_ms', label: 'own CPU burst max', unit: 'ms', better: 'less' },
]

/** Metrics that every throughput row reports besides its rate. */
export const costMetrics: Metric[] = [
  { key: 'client_us', label: 'client CPU', unit: 'us/run', better: 'less' },
  { key: 'server_us', label: 'server CPU', unit: 'us/run', better: 'less' },
  { key: 'wal_bytes', label: 'WAL', unit: 'B/run', better: 'less' },
  { key: 'commits_per_1000', label: 'commits', unit: '/1,000 runs', better: 'less' },
  ...eventLoopMetrics,
  { key: 'foreign_share', label: 'unrelated CPU', unit: 'share', better: 'less' },
]

export const rate: Metric = { key: 'rate', label: 'runs', unit: '/s', better: 'more' }

export const named = (count: number): string => count.toLocaleString('en')
