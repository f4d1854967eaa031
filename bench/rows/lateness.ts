import { runAt } from '../trial/run-at.ts'
import { allSystems, bestSystems, type Case, eventLoopMax, type Metric, named, type Row } from './row.ts'

type Spread = { perSecond: number; seconds: number; leadMs: number }

const once = ({ perSecond, seconds, leadMs }: Spread): Case => ({
  name: `${named(perSecond)} jobs per second`,
  run: (trial) =>
    runAt(trial, {
      jobs: perSecond * seconds,
      stepMs: 1000 / perSecond,
      runsOfEach: 1,
      leadMs,
      limitSeconds: 5,
      goal: 'timeliness',
    }),
})

const again = ({ perSecond, seconds, leadMs }: Spread): Case => ({
  name: `${named(perSecond)} runs per second`,
  run: (trial) =>
    runAt(trial, {
      jobs: perSecond,
      stepMs: 1000 / perSecond,
      runsOfEach: seconds,
      leadMs,
      limitSeconds: 5,
      goal: 'timeliness',
    }),
})

const metrics: [Metric, ...Metric[]] = [
  { key: 'p99', label: 'p99', unit: 'ms', better: 'less' },
  { key: 'p50', label: 'p50', unit: 'ms', better: 'less' },
  { key: 'p95', label: 'p95', unit: 'ms', better: 'less' },
  { key: 'max', label: 'max', unit: 'ms', better: 'less' },
  { key: 'early', label: 'early', unit: 'runs', better: 'less' },
  { key: 'cpu_us', label: 'CPU', unit: 'us/run', better: 'less' },
  { key: 'client_us', label: 'client CPU', unit: 'us/run', better: 'less' },
  { key: 'server_us', label: 'server CPU', unit: 'us/run', better: 'less' },
  { key: 'statements', label: 'statements', unit: '/run', better: 'less' },
  { key: 'wal_bytes', label: 'WAL', unit: 'B/run', better: 'less' },
  eventLoopMax,
  { key: 'foreign_share', label: 'unrelated CPU', unit: 'share', better: 'less' },
]

/**
 * At 50 runs per second, ten seconds would be only 500 runs, and most of the CPU time would be spent warming up the
 * process.
 */
const rates = [50, 200, 1_000].map((perSecond) => ({
  perSecond,
  seconds: perSecond === 50 ? 30 : 10,
  leadMs: 6_000,
}))
const quickRate = { perSecond: 200, seconds: 2, leadMs: 2_000 }

export const lateness: Row = {
  name: 'lateness',
  title: 'Lateness',
  about:
    "One-time jobs are due at times spread evenly over ten seconds (thirty at 50 jobs per second). Lateness is the time from a job's due time until its handler starts. A run is early if it starts before its due time according to the wall clock.",
  metrics,
  systems: allSystems,
  repetitions: 3,
  quick: ['ours'],
  cases: (size) => (size === 'quick' ? [quickRate] : rates).map(once),
}

export const latenessRecurring: Row = {
  name: 'lateness-recurring',
  title: 'Lateness of recurring jobs',
  about:
    "The same measurement as for one-time jobs, but with jobs that recur every second for ten seconds (thirty at 50 runs per second). For 50 runs per second, there are 50 jobs. agenda schedules a job's next run one second after the previous run started, so its lateness is measured from the due time that agenda set.",
  metrics,
  systems: bestSystems,
  repetitions: 3,
  quick: ['ours'],
  cases: (size) => (size === 'quick' ? [quickRate] : rates).map(again),
}
