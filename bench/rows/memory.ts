import { setTimeout as wait } from 'node:timers/promises'
import { came } from '../trial/run-all.ts'
import { fill, inDatabase, seedOf, settingsOf, withWorkers } from '../trial/trial.ts'
import { reach } from '../trial/wait.ts'
import { bestSystems, type Case, named, type Row } from './row.ts'

const HOLD_MS = 120_000
const LIMIT_SECONDS = 40

const held = (jobs: number): Case => ({
  name: `${named(jobs)} open runs`,
  run: (trial) =>
    inDatabase(trial, async (database) => {
      await fill(trial, database, [() => seedOf({ count: jobs, holdMs: HOLD_MS })])
      const settings = settingsOf(trial, database, { concurrency: jobs })
      return await withWorkers(trial, settings, 1, async (workers) => {
        const [worker] = workers
        await worker?.start()
        const all = await reach(workers, jobs, performance.now() + LIMIT_SECONDS * 1000)
        // Gives the process time to collect its startup garbage and send heartbeats.
        await wait(2_000)
        const summary = await worker?.summary()
        const values = { rss_mb: (summary?.rssBytes ?? 0) / 1e6 }
        return all ? { values } : { values, note: came(summary?.runs ?? 0, jobs, LIMIT_SECONDS) }
      })
    }),
})

export const memory: Row = {
  name: 'memory',
  title: 'Memory with open runs',
  about: 'Resident memory of the process with 64 or 10,000 runs open. All runs wait for a timer.',
  metrics: [{ key: 'rss_mb', label: 'RSS', unit: 'MB', better: 'less' }],
  systems: bestSystems,
  repetitions: 2,
  quick: ['ours'],
  cases: (size) => (size === 'quick' ? [64] : [64, 10_000]).map(held),
}
