import { repeat } from '../trial/repeat.ts'
import { came } from '../trial/run-all.ts'
import { readLargest, readSizes } from '../trial/sizes.ts'
import { fill, inDatabase, seedOf } from '../trial/trial.ts'
import { type Case, costMetrics, named, type Row, rate } from './row.ts'

const LIMIT_SECONDS = 240

const repeatOf = (jobs: number, runs: number): Case => ({
  name: `${named(runs)} runs of ${named(jobs)} jobs`,
  run: (trial) =>
    inDatabase(trial, async (database) => {
      const since = () => Date.now() - trial.system.alwaysDueSinceMs
      await fill(trial, database, [() => seedOf({ count: jobs, firstMs: since(), recurring: true })])
      const before = await readSizes(database.url)
      const outcome = await repeat(trial, database, {
        warmUpSeconds: 0,
        seconds: LIMIT_SECONDS,
        target: runs,
      })
      const after = await readSizes(database.url)
      const made = outcome.values.runs ?? 1
      const values = {
        ...outcome.values,
        table_bytes: (after.tables - before.tables) / made,
        index_bytes: (after.indexes - before.indexes) / made,
        ...(await readLargest(database.url)),
      }
      return made < runs * 0.95
        ? { values, note: came(made, runs, outcome.values.seconds ?? LIMIT_SECONDS) }
        : { values }
    }),
})

export const million: Row = {
  name: 'million',
  title: 'A million runs without a break',
  about:
    'Jobs recur and are always due. They run until the history holds a million runs, with the default autovacuum settings. The results show whether the rate drops as tables and indexes grow, and how much disk space each run takes.',
  metrics: [
    rate,
    { key: 'kept', label: 'last fifth / first fifth', unit: '', better: 'more' },
    { key: 'rate_first_fifth', label: 'first fifth', unit: '/s', better: 'more' },
    { key: 'rate_last_fifth', label: 'last fifth', unit: '/s', better: 'more' },
    { key: 'table_bytes', label: 'tables', unit: 'B/run', better: 'less' },
    { key: 'index_bytes', label: 'indexes', unit: 'B/run', better: 'less' },
    ...costMetrics,
  ],
  systems: ['ours', 'pg-boss-best', 'floor'],
  repetitions: 2,
  quick: ['ours'],
  cases: (size) => [size === 'quick' ? repeatOf(1_000, 10_000) : repeatOf(30_000, 1_000_000)],
}
