import { quantile } from '../measure/quantile.ts'
import { readStatements } from '../measure/usage.ts'
import { asAdmin, countStatements, type Database, whenAlone } from '../server/database.ts'
import { countBytes } from '../server/proxy.ts'
import { fill, inDatabase, seedOf, settingsOf, type Trial, type Values, withWorkers } from '../trial/trial.ts'
import { type Case, named, type Row } from './row.ts'

const YEAR_MS = 365 * 86_400_000

const idleBeside = (waiting: number, times: number): Case => ({
  name: `${waiting === 0 ? 'no' : named(waiting)} jobs waiting`,
  run: (trial) =>
    inDatabase(trial, async (database) => {
      const later = () => seedOf({ count: waiting, firstMs: Date.now() + YEAR_MS, stepMs: 10 })
      await fill(trial, database, waiting === 0 ? [] : [later])
      const before = await readBuffers(database)
      await look(trial, database, 1)
      const once = await readBuffers(database)
      const taken = await look(trial, database, times + 1)
      const all = await readBuffers(database)
      const wire = await readWire(trial, database, times)
      const sorted = taken.toSorted((a, b) => a - b)
      return {
        values: {
          p50: quantile(sorted, 0.5),
          p99: quantile(sorted, 0.99),
          // Excludes pages that a process reads only once, at startup.
          buffers: (all - once - (once - before)) / times,
          ...wire,
        },
      }
    }),
})

const look = (trial: Trial, database: Database, times: number): Promise<number[]> =>
  withWorkers(trial, settingsOf(trial, database), 1, async ([worker]) => (await worker?.idle(times)) ?? [])

/**
 * Returns how many statements a pass runs and how many bytes it sends and receives, excluding the process's startup.
 */
async function readWire(trial: Trial, database: Database, times: number): Promise<Values> {
  await countStatements(database)
  const proxy = await countBytes(database.url)
  try {
    const readings = []
    for (const passes of [1, times + 1]) {
      await look(trial, { ...database, url: proxy.url }, passes)
      readings.push({ bytes: proxy.bytes(), statements: await asAdmin(database.url, readStatements) })
    }
    const [first, last] = readings
    if (!first || !last) return {}
    const bytes = (last.bytes - 2 * first.bytes) / times
    if (first.statements === null || last.statements === null) return { bytes }
    return { bytes, statements: (last.statements - 2 * first.statements) / times }
  } finally {
    await proxy.close()
  }
}

/**
 * Returns how many pages of the database's tables and indexes have been requested so far, cached or not. The system
 * catalogs aren't counted.
 */
async function readBuffers({ url, name }: Database): Promise<number> {
  return await asAdmin(url, async (admin) => {
    await whenAlone(admin, name)
    const [row] = await admin<[{ buffers: number }]>`
      select coalesce(sum(
        heap_blks_hit + heap_blks_read + coalesce(idx_blks_hit, 0) + coalesce(idx_blks_read, 0)
          + coalesce(toast_blks_hit, 0) + coalesce(toast_blks_read, 0)
      ), 0)::float8 as buffers
      from pg_statio_user_tables`
    return row.buffers
  })
}

export const idle: Row = {
  name: 'idle',
  title: 'A poll that finds no due jobs',
  about:
    "One pass of the scheduler (a tick or a fetch) while no job is due. `pages` is the number of table and index pages that the pass requests, according to PostgreSQL's own counters, so it doesn't depend on the machine. `on the wire` counts both directions. For graphile-worker, a pass is runOnce(), including its startup and shutdown.",
  metrics: [
    { key: 'buffers', label: 'pages', unit: '', better: 'less' },
    { key: 'statements', label: 'statements', unit: '', better: 'less' },
    { key: 'bytes', label: 'on the wire', unit: 'B', better: 'less' },
    { key: 'p50', label: 'round trip p50', unit: 'ms', better: 'less' },
    { key: 'p99', label: 'round trip p99', unit: 'ms', better: 'less' },
  ],
  systems: ['ours', 'pg-boss-best', 'graphile-best'],
  repetitions: 1,
  quick: ['ours', 'pg-boss-best'],
  cases: (size) =>
    size === 'quick'
      ? [idleBeside(10_000, 50)]
      : [idleBeside(0, 500), idleBeside(1_000_000, 500), { ...idleBeside(5_000_000, 500), only: ['ours'] }],
}
