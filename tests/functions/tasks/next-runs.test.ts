import { beforeEach, expect, test } from 'vitest'
import { handler } from '../../../functions/tasks/get.ts'
import { call } from '../../setup/http-event.ts'
import { emptyTables, insertTask } from '../../setup/rows.ts'

async function nextRuns() {
  const { body } = await call(handler, { method: 'GET', path: '/tasks/{id}', pathParameters: { id: '1' } })
  return body.next_runs
}

const first = '2027-03-10T00:00:00.000Z'
const minutes = (...after: number[]) =>
  after.map((it) => new Date(Date.parse(first) + it * 60_000).toISOString())
const cron = { schedule_type: 'cron', interval_seconds: null }

beforeEach(emptyTables)

test.for<[what: string, task: object, runs: string[]]>([
  ['an interval', {}, minutes(0, 1, 2)],
  [
    'an interval whose next_run_at is out of step with its start_at',
    { start_at: '2020-01-01T00:00:30Z' },
    minutes(0, 1, 2),
  ],
  ['an interval that ends after two runs', { end_at: '2027-03-10T00:01:00Z' }, minutes(0, 1)],
  ['an interval whose next run is its last', { end_at: first }, minutes(0)],
  ['an interval with one run left', { max_runs: 5, runs: 4 }, minutes(0)],
  ['an interval with two runs left', { max_runs: 5, runs: 3 }, minutes(0, 1)],
  ['an interval with many runs left', { max_runs: 500, runs: 3 }, minutes(0, 1, 2)],
  ['an interval with no runs left', { max_runs: 5, runs: 5 }, []],
  ['an interval with a fixed delay', { interval_mode: 'fixed_delay' }, minutes(0)],
  ['a paused task', { paused_at: first }, []],
  ['a finished task', { next_run_at: null }, []],
  ['a once task', { schedule_type: 'once', interval_seconds: null }, minutes(0)],
  ['a cron task', { ...cron, cron_expression: '*/20 * * * *' }, minutes(0, 20, 40)],
  [
    'a cron task with a given next_run_at',
    { ...cron, cron_expression: '*/7 * * * *', next_run_at: minutes(5)[0] },
    minutes(5, 7, 14),
  ],
  ['a task with an unreadable schedule', { ...cron, cron_expression: 'not cron' }, minutes(0)],
  [
    'a task in a time zone that this runtime does not know',
    { ...cron, cron_expression: '@daily', timezone: 'Mars/Olympus' },
    minutes(0),
  ],
])('shows the next runs of %s', async ([, task, runs]) => {
  await insertTask({ next_run_at: first, ...task })
  expect(await nextRuns()).toEqual(runs)
})

test('shows the next runs across a clock change', async () => {
  const zone = { ...cron, cron_expression: '0 9 * * *', timezone: 'America/New_York' }
  await insertTask({ ...zone, next_run_at: '2027-03-13T14:00:00Z' })
  expect(await nextRuns()).toEqual([
    '2027-03-13T14:00:00.000Z',
    '2027-03-14T13:00:00.000Z',
    '2027-03-15T13:00:00.000Z',
  ])
})

test('adds the same jitter to every run that follows next_run_at', async () => {
  await insertTask({
    ...cron,
    cron_expression: '0 * * * *',
    jitter_seconds: 600,
    next_run_at: '2027-03-10T00:03:20.123Z',
  })
  const runs: string[] = await nextRuns()
  const delays = runs.map((at) => Date.parse(at) % 3_600_000)
  expect(runs).toHaveLength(3)
  expect(runs[0]).toBe('2027-03-10T00:03:20.123Z')
  expect(new Set(delays.slice(1)).size).toBe(1)
  expect(delays[1]).toBeLessThan(600_000)
})
