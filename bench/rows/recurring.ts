import { repeat } from '../trial/repeat.ts'
import { fill, inDatabase, seedOf } from '../trial/trial.ts'
import { bestSystems, type Case, costMetrics, type Row, rate } from './row.ts'

const recurringOf = (jobs: number, seconds: number): Case => ({
  name: `${seconds} seconds`,
  run: (trial) =>
    inDatabase(trial, async (database) => {
      const since = () => Date.now() - trial.system.alwaysDueSinceMs
      await fill(trial, database, [() => seedOf({ count: jobs, firstMs: since(), recurring: true })])
      const warmUpSeconds = Math.min(5, seconds / 2)
      return await repeat(trial, database, { warmUpSeconds, seconds, target: Number.MAX_SAFE_INTEGER })
    }),
})

export const recurring: Row = {
  name: 'recurring',
  title: 'Recurring jobs, sustained load',
  about:
    "All jobs recur every second and are behind schedule, so some job is always due. Every run also schedules the job's next run. This is a scheduler's main work.",
  metrics: [
    rate,
    ...costMetrics,
    { key: 'kept', label: 'last fifth / first fifth', unit: '', better: 'more' },
  ],
  systems: [...bestSystems, 'floor'],
  repetitions: 3,
  quick: ['ours', 'graphile-best'],
  cases: (size) => [size === 'quick' ? recurringOf(2_000, 2) : recurringOf(30_000, 60)],
}
