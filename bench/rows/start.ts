import { nowMs } from '../measure/usage.ts'
import { fill, inDatabase, seedOf, settingsOf, withWorkers } from '../trial/trial.ts'
import { reach } from '../trial/wait.ts'
import { allSystems, type Case, type Row } from './row.ts'

const LIMIT_SECONDS = 20

const firstRun: Case = {
  name: 'one job due',
  run: (trial) =>
    inDatabase(trial, async (database) => {
      await fill(trial, database, [() => seedOf({ count: 1 })])
      const forkedMs = nowMs()
      return await withWorkers(
        trial,
        settingsOf(trial, database, { goal: 'timeliness' }),
        1,
        async (workers) => {
          const [worker] = workers
          const loadedMs = nowMs()
          await worker?.start()
          if (!(await reach(workers, 1, performance.now() + LIMIT_SECONDS * 1000))) {
            return { values: {}, note: `no run in ${LIMIT_SECONDS} s` }
          }
          const summary = await worker?.summary()
          const firstMs = summary?.firstStartMs ?? Number.NaN
          return {
            values: {
              first_run_ms: firstMs - forkedMs,
              loaded_ms: loadedMs - forkedMs,
              rss_mb: (summary?.rssBytes ?? 0) / 1e6,
            },
          }
        },
      )
    }),
}

export const start: Row = {
  name: 'start',
  title: 'From process start to first run',
  about:
    'One job is due, and the tables already exist. `loaded` is the time until all code has been imported. By the time of its first run, `ours` is also serving its API.',
  metrics: [
    { key: 'first_run_ms', label: 'first run', unit: 'ms', better: 'less' },
    { key: 'loaded_ms', label: 'loaded', unit: 'ms', better: 'less' },
    { key: 'rss_mb', label: 'RSS', unit: 'MB', better: 'less' },
  ],
  systems: allSystems,
  repetitions: 5,
  quick: ['ours', 'agenda-best'],
  cases: () => [firstRun],
}
