import { runAll } from '../trial/run-all.ts'
import { fill, inDatabase, seedOf, settingsOf } from '../trial/trial.ts'
import { allSystems, type Case, costMetrics, named, type Row, rate } from './row.ts'

const drainOf = (jobs: number): Case => ({
  name: `${named(jobs)} jobs due`,
  run: (trial) =>
    inDatabase(trial, async (database) => {
      await fill(trial, database, [() => seedOf({ count: jobs })])
      const settings = settingsOf(trial, database, { target: jobs })
      return await runAll(trial, database, { settings, jobs, limitSeconds: 60 })
    }),
})

export const drain: Row = {
  name: 'drain',
  title: 'Drain of due jobs',
  about:
    'All jobs are already due. Each runs once and does nothing. The time is measured from the start of the system until its tables show that all jobs are done.',
  metrics: [rate, ...costMetrics],
  systems: [...allSystems, 'floor', 'floor-open-index'],
  repetitions: 5,
  quick: ['ours', 'pg-boss-best', 'graphile-best', 'agenda-best', 'floor'],
  cases: (size) => (size === 'quick' ? [1_000] : [20_000, 100_000]).map(drainOf),
}
