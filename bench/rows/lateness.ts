import { runAt } from '../trial/run-at.ts'
import { allSystems, type Case, named, type Row } from './row.ts'

const spread = (perSecond: number, seconds: number, leadMs: number): Case => ({
  name: `${named(perSecond)} a second`,
  run: (trial) =>
    runAt(trial, {
      jobs: perSecond * seconds,
      stepMs: 1000 / perSecond,
      leadMs,
      limitSeconds: 5,
      goal: 'timeliness',
    }),
})

export const lateness: Row = {
  name: 'lateness',
  title: 'Lateness',
  about:
    'One-time jobs, evenly spread over ten seconds: from the instant that a job is due until its handler starts. Early are those that started before it, by the wall clock.',
  metrics: [
    { key: 'p99', label: 'p99', unit: 'ms', better: 'less' },
    { key: 'p50', label: 'p50', unit: 'ms', better: 'less' },
    { key: 'p95', label: 'p95', unit: 'ms', better: 'less' },
    { key: 'max', label: 'max', unit: 'ms', better: 'less' },
    { key: 'early', label: 'early', unit: 'runs', better: 'less' },
    { key: 'client_us', label: 'client CPU', unit: 'us/run', better: 'less' },
    { key: 'server_us', label: 'server CPU', unit: 'us/run', better: 'less' },
    { key: 'event_loop_max_ms', label: 'event loop max', unit: 'ms', better: 'less' },
    { key: 'foreign_share', label: 'foreign CPU', unit: 'share', better: 'less' },
  ],
  systems: allSystems,
  quick: ['ours'],
  cases: (size) =>
    size === 'quick'
      ? [spread(200, 1, 2_500)]
      : [50, 200, 1_000].map((perSecond) => spread(perSecond, 10, 6_000)),
}
