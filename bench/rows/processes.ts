import { runAll } from '../trial/run-all.ts'
import { fill, inDatabase, seedOf, settingsOf } from '../trial/trial.ts'
import { bestSystems, type Case, costMetrics, type Row, rate } from './row.ts'

const drainWith = (processes: number, jobs: number): Case => ({
  name: processes === 1 ? '1 process' : `${processes} processes`,
  run: (trial) =>
    inDatabase(trial, async (database) => {
      await fill(trial, database, [() => seedOf({ count: jobs })])
      const settings = settingsOf(trial, database, { target: jobs })
      return await runAll(trial, database, { settings, processes, jobs, limitSeconds: 120 })
    }),
})

export const processes: Row = {
  name: 'processes',
  title: 'Several processes on one database',
  about:
    'One, two or three processes drain the same database. This shows how much they slow each other down. On a machine with few cores, the database is the bottleneck.',
  metrics: [rate, ...costMetrics],
  systems: bestSystems.filter((name) => name !== 'agenda-best'),
  repetitions: 3,
  quick: ['ours'],
  cases: (size) =>
    size === 'quick' ? [drainWith(2, 2_000)] : [1, 2, 3].map((count) => drainWith(count, 50_000)),
}
