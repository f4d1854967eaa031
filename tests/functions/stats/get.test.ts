import { beforeEach, expect, test } from 'vitest'
import { handler } from '../../../functions/stats/get.ts'
import { SKIP_REASONS } from '../../../shared/scheduling/schedule/plan.ts'
import { OUTCOMES } from '../../../shared/stats/cells.ts'
import { invalidParameter, json, problem } from '../../setup/expected.ts'
import { call } from '../../setup/http-event.ts'
import { countAll, countFrom } from '../../setup/roll-ups.ts'
import { emptyTables, insertExecution, insertTask, nowPlus } from '../../setup/rows.ts'

const get = (query = '') => call(handler, { method: 'GET', path: '/stats', query })

const zeros = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, 0]))
const numbers = (runs: object, given: object = {}) => ({
  runs: { ...zeros(OUTCOMES), ...runs },
  skipped: zeros(SKIP_REASONS),
  duration_ms: { p50: 0, p95: 0, p99: 0 },
  late_ms: { p50: 0, p95: 0, p99: 0 },
  ...given,
})
const nothing = numbers({}, { duration_ms: null, late_ms: null })

const DAY_MS = 86_400_000
const midnight = (days: number) => new Date((Math.floor(Date.now() / DAY_MS) + days) * DAY_MS).toISOString()
/** Noon of this many days ago, plus some milliseconds. */
const noon = (days: number, ms = 0) => new Date(Date.parse(midnight(-days)) + DAY_MS / 2 + ms).toISOString()

beforeEach(async () => {
  await emptyTables()
  await countFrom(await nowPlus(-10 * 86_400))
})

test('returns zeros if nothing has ended', async () => {
  const { statusCode, body } = await get('bucket=day')
  const [from, to] = [midnight(-29), midnight(1)]
  expect({ statusCode, body }).toEqual({
    statusCode: 200,
    body: { from, to, bucket: 'day', totals: nothing, buckets: [] },
  })
})

test('counts outcomes, skips, durations and lateness, by the day on which they ended', async () => {
  await insertTask()
  await insertExecution(noon(2), { finished_at: noon(2, 1000) })
  await insertExecution(noon(3), { status: 'failed', started_at: noon(2, 100), finished_at: noon(2, 200) })
  const skip = { status: 'skipped', started_at: null, result: null, skip_reason: 'overlap' }
  await insertExecution(noon(4), {
    ...skip,
    skipped_until: noon(3),
    skipped_count: 5_000_000_007,
    finished_at: noon(1),
  })
  const found = () => get(`bucket=day&from=${noon(2)}&to=${noon(1)}`)
  const skipped = { ...zeros(SKIP_REASONS), overlap: 5_000_000_007 }
  const ran = {
    duration_ms: { p50: 101, p95: 1030, p99: 1030 },
    late_ms: { p50: 0, p95: 89_800_000, p99: 89_800_000 },
  }
  const expected = json(200, {
    from: midnight(-2),
    to: midnight(0),
    bucket: 'day',
    totals: numbers({ success: 1, failed: 1 }, { ...ran, skipped }),
    buckets: [
      { start: midnight(-2), ...numbers({ success: 1, failed: 1 }, ran) },
      { start: midnight(-1), ...nothing, skipped },
    ],
  })
  expect(await found()).toEqual(expected)
  await countAll()
  expect(await found()).toEqual(expected)
})

test('counts a task, and the tasks that have a tag now', async () => {
  for (const tags of ['{a}', '{a,b}', '{}']) await insertTask({ name: tags, tags })
  for (const [task_id, runs] of [1, 2, 3].map((id) => [id, 10 ** (id - 1)] as const))
    for (let i = 0; i < runs; i += 1) await insertExecution(noon(1, i), { task_id })
  const successes = async (query: string) => {
    const { body } = await get(query)
    return (body as { totals: { runs: { success: number } } }).totals.runs.success
  }
  const all = async () =>
    await Promise.all(['bucket=day', 'task_id=2', 'tag=a', 'tag=b', 'tag=c'].map(successes))
  expect(await all()).toEqual([111, 10, 11, 10, 0])
  await countAll()
  expect(await all()).toEqual([111, 10, 11, 10, 0])
})

test('rejects a task that does not exist', async () => {
  expect(await get('task_id=7')).toEqual(problem('not_found', 'task 7 does not exist'))
})

test.for([
  ['bucket', 'bucket=week', 'must be one of minute, hour, day'],
  ['bucket', 'bucket=hour&tag=a', 'must be day with task_id or tag'],
  ['bucket', 'bucket=minute&task_id=1', 'must be day with task_id or tag'],
  ['tag', 'task_id=1&tag=a', "can't be combined with task_id"],
  ['from', `from=${midnight(0)}&to=${midnight(0)}`, 'must be before to'],
  ['from', `bucket=minute&from=${noon(1)}&to=${midnight(3)}`, 'must be at most 1500 minutes before to'],
  ['from', `bucket=minute&from=${midnight(-3)}`, 'must be within the last 48 hours if bucket is minute'],
  ['from', `from=${midnight(-92)}`, 'must be within the last 90 days if bucket is hour'],
  ['from', `bucket=day&from=${midnight(-402)}`, 'must be within the last 400 days if bucket is day'],
] as const)('rejects %s: %s', async ([parameter, query, detail]) => {
  expect(await get(query)).toEqual(invalidParameter(parameter, detail))
})
