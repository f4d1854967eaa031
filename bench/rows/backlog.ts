import { runAll } from '../trial/run-all.ts'
import { fill, inDatabase, seedOf, settingsOf } from '../trial/trial.ts'
import { bestSystems, type Case, costMetrics, type Metric, named, type Row, rate } from './row.ts'

const YEAR_MS = 365 * 86_400_000

const drainBeside = (jobs: number, waiting: number): Case => ({
  name: `${named(jobs)} jobs due, ${waiting === 0 ? 'none' : `${named(waiting)} jobs`} waiting`,
  run: (trial) =>
    inDatabase(trial, async (database) => {
      const later = () => seedOf({ count: waiting, firstMs: Date.now() + YEAR_MS, stepMs: 10 })
      const due = () => seedOf({ count: jobs })
      // The waiting jobs are inserted first, as in real life. They must not slow down jobs that are added later.
      await fill(trial, database, waiting === 0 ? [due] : [later, due])
      const settings = settingsOf(trial, database, { target: jobs })
      return await runAll(trial, database, { settings, jobs, limitSeconds: 60 })
    }),
})

const [client, server, ...others] = costMetrics

export const backlog: Row = {
  name: 'backlog',
  title: 'A drain with and without a million jobs waiting for later',
  about:
    'A drain of due jobs in an otherwise empty table, and the same drain in a table that also holds a million jobs due in a year. The drain takes less than a second, so compare the server CPU.',
  metrics: [server, rate, client, ...others].filter((metric): metric is Metric => metric !== undefined) as [
    Metric,
    ...Metric[],
  ],
  systems: [...bestSystems, 'floor'],
  repetitions: 3,
  quick: ['ours'],
  cases: (size) => {
    if (size === 'quick') return [drainBeside(1_000, 10_000)]
    return [drainBeside(5_000, 0), drainBeside(5_000, 1_000_000)]
  },
}
