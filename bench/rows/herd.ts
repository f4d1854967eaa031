import { runAt } from '../trial/run-at.ts'
import { bestSystems, type Case, eventLoopMetrics, named, type Row } from './row.ts'

const herdOf = (jobs: number, leadMs: number): Case => ({
  name: `${named(jobs)} jobs`,
  run: (trial) =>
    runAt(trial, { jobs, stepMs: 0, runsOfEach: 1, leadMs, limitSeconds: 60, goal: 'throughput' }),
})

export const herd: Row = {
  name: 'herd',
  title: 'All jobs due at once',
  about: 'All jobs are due at the same moment. Times are in milliseconds after that moment.',
  metrics: [
    { key: 'all_done_ms', label: 'all done', unit: 'ms', better: 'less' },
    { key: 'last_start_ms', label: 'last start', unit: 'ms', better: 'less' },
    { key: 'first', label: 'first start', unit: 'ms', better: 'less' },
    { key: 'p50', label: 'p50 start', unit: 'ms', better: 'less' },
    { key: 'early', label: 'early', unit: 'runs', better: 'less' },
    ...eventLoopMetrics,
    { key: 'foreign_share', label: 'unrelated CPU', unit: 'share', better: 'less' },
  ],
  systems: bestSystems,
  repetitions: 5,
  quick: ['ours'],
  cases: (size) =>
    size === 'quick' ? [herdOf(1_000, 2_000)] : [herdOf(10_000, 10_000), herdOf(50_000, 18_000)],
}
