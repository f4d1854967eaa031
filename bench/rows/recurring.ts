import { repeat } from '../trial/repeat.ts'
import { fill, inDatabase, seedOf } from '../trial/trial.ts'
import { bestSystems, type Case, costMetrics, type Row, rate } from './row.ts'

const recurringOf = (jobs: number, seconds: number): Case => ({
  name: `${seconds} s`,
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
  title: 'Recurring runs, sustained',
  about:
    'Jobs that recur every second are all behind schedule, so something is always due. Every run also schedules the next one. This is the main job of a scheduler.',
  metrics: [rate, ...costMetrics, { key: 'kept', label: 'last fifth / first', unit: 'x', better: 'more' }],
  systems: [...bestSystems, 'floor'],
  repetitions: 3,
  quick: ['ours', 'graphile-best'],
  cases: (size) => [size === 'quick' ? recurringOf(2_000, 2) : recurringOf(30_000, 60)],
}
