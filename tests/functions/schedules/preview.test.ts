import { beforeEach, describe, expect, test } from 'vitest'
import { handler } from '../../../functions/schedules/preview.ts'
import { handler as createTask } from '../../../functions/tasks/create.ts'
import { INSTANT, invalidFields, json } from '../../setup/expected.ts'
import { call, callOffline } from '../../setup/http-event.ts'
import { emptyTables } from '../../setup/rows.ts'

const request = { method: 'POST', path: '/schedules/preview' }
const preview = (body: unknown) => call(handler, { ...request, body })

type Shown = [at: string, local: string, note?: string | null, effective?: string]
const shown = (description: string, ...occurrences: Shown[]) =>
  json(200, {
    description,
    occurrences: occurrences.map(([at, local, note = null, effective_at = at]) => ({
      at,
      effective_at,
      local,
      note,
    })),
  })

const cron = (cron_expression: string, timezone: string, after: string, count = 3) => ({
  schedule_type: 'cron',
  cron_expression,
  timezone,
  after,
  count,
})
const interval = { schedule_type: 'interval', interval_seconds: 3600 }

describe('a cron schedule', () => {
  test('is in UTC unless a time zone is given', async () => {
    const body = {
      schedule_type: 'cron',
      cron_expression: '30 9 * * MON',
      after: '2027-03-01T09:30:00Z',
      count: 2,
    }
    expect(await preview(body)).toEqual(
      shown(
        'At 09:30, only on Monday (UTC)',
        ['2027-03-08T09:30:00.000Z', '2027-03-08T09:30:00+00:00'],
        ['2027-03-15T09:30:00.000Z', '2027-03-15T09:30:00+00:00'],
      ),
    )
  })

  test('says that a daily schedule runs right after the gap if the clock skips its time', async () => {
    expect(await preview(cron('30 2 * * *', 'America/New_York', '2027-03-13T12:00:00Z', 2))).toEqual(
      shown(
        'At 02:30 (America/New_York)',
        [
          '2027-03-14T07:00:00.000Z',
          '2027-03-14T03:00:00-04:00',
          '02:30 does not exist on this day; it runs right after the gap, at 03:00',
        ],
        ['2027-03-15T06:30:00.000Z', '2027-03-15T02:30:00-04:00'],
      ),
    )
  })

  test('says that a half-hourly schedule has no runs in the hour that the clock skips', async () => {
    expect(await preview(cron('*/30 * * * *', 'America/New_York', '2027-03-14T06:00:00Z'))).toEqual(
      shown(
        'Every 30 minutes (America/New_York)',
        ['2027-03-14T06:30:00.000Z', '2027-03-14T01:30:00-05:00'],
        [
          '2027-03-14T07:00:00.000Z',
          '2027-03-14T03:00:00-04:00',
          'the clock skips from 2027-03-14 02:00 to 2027-03-14 03:00; nothing runs for that gap',
        ],
        ['2027-03-14T07:30:00.000Z', '2027-03-14T03:30:00-04:00'],
      ),
    )
  })

  test('says that a daily schedule runs only the first time if its local time occurs twice', async () => {
    expect(await preview(cron('30 2 * * *', 'Europe/Berlin', '2027-10-30T12:00:00Z', 2))).toEqual(
      shown(
        'At 02:30 (Europe/Berlin)',
        [
          '2027-10-31T00:30:00.000Z',
          '2027-10-31T02:30:00+02:00',
          '02:30 happens twice on this day; it runs only the first time',
        ],
        ['2027-11-01T01:30:00.000Z', '2027-11-01T02:30:00+01:00'],
      ),
    )
  })

  test('says that an hourly schedule runs in both passes of an hour that occurs twice', async () => {
    const note = '02:30 happens twice on this day; it runs both times'
    expect(await preview(cron('30 * * * *', 'Europe/Berlin', '2027-10-31T00:00:00Z'))).toEqual(
      shown(
        'At 30 minutes past the hour (Europe/Berlin)',
        ['2027-10-31T00:30:00.000Z', '2027-10-31T02:30:00+02:00', note],
        ['2027-10-31T01:30:00.000Z', '2027-10-31T02:30:00+01:00', note],
        ['2027-10-31T02:30:00.000Z', '2027-10-31T03:30:00+01:00'],
      ),
    )
  })

  test('shows only occurrences from start_at to end_at, both inclusive', async () => {
    const bounds = { start_at: '2027-01-02T00:00:00Z', end_at: '2027-01-03T00:00:00Z' }
    expect(await preview({ ...cron('@daily', 'UTC', '2026-01-01T00:00:00Z'), ...bounds })).toEqual(
      shown(
        'At 00:00 (UTC)',
        ['2027-01-02T00:00:00.000Z', '2027-01-02T00:00:00+00:00'],
        ['2027-01-03T00:00:00.000Z', '2027-01-03T00:00:00+00:00'],
      ),
    )
  })
})

describe('an interval', () => {
  test('is counted from start_at and stops at end_at', async () => {
    const bounds = { start_at: '2027-01-01T00:10:00Z', end_at: '2027-01-01T06:10:00Z' }
    expect(await preview({ ...interval, ...bounds, after: '2027-01-01T04:00:00Z' })).toEqual(
      shown(
        'Every 3600 seconds',
        ['2027-01-01T04:10:00.000Z', '2027-01-01T04:10:00+00:00'],
        ['2027-01-01T05:10:00.000Z', '2027-01-01T05:10:00+00:00'],
        ['2027-01-01T06:10:00.000Z', '2027-01-01T06:10:00+00:00'],
      ),
    )
  })

  test('starts at next_run_at', async () => {
    const body = { ...interval, next_run_at: '2999-01-01T00:30:00+00:00', count: 2, timezone: 'Asia/Kolkata' }
    expect(await preview(body)).toEqual(
      shown(
        'Every 3600 seconds',
        ['2999-01-01T00:30:00.000Z', '2999-01-01T06:00:00+05:30'],
        ['2999-01-01T01:30:00.000Z', '2999-01-01T07:00:00+05:30'],
      ),
    )
  })

  test('shows only the first occurrence in fixed_delay mode', async () => {
    const body = { ...interval, interval_mode: 'fixed_delay', next_run_at: '2999-01-01T00:00:00Z' }
    expect(await preview(body)).toEqual(
      shown('Every 3600 seconds after the end of each run', [
        '2999-01-01T00:00:00.000Z',
        '2999-01-01T00:00:00+00:00',
      ]),
    )
  })

  test('has no occurrences after end_at', async () => {
    const body = { ...interval, end_at: '2027-01-01T00:00:00Z', after: '2027-01-01T00:00:00Z' }
    expect(await preview(body)).toEqual(shown('Every 3600 seconds'))
  })
})

describe('a once schedule', () => {
  const once = { schedule_type: 'once', next_run_at: '2027-03-28T01:00:00' }

  test('shows its only occurrence', async () => {
    expect(await preview({ ...once, after: '2027-03-28T00:59:59Z', timezone: 'Europe/Berlin' })).toEqual(
      shown('Once, at 2027-03-28T01:00:00.000Z', ['2027-03-28T01:00:00.000Z', '2027-03-28T03:00:00+02:00']),
    )
  })

  test('shows a past occurrence, which would run late, unless `after` excludes it', async () => {
    const past = { ...once, next_run_at: '2001-01-01T00:00:00Z' }
    const description = 'Once, at 2001-01-01T00:00:00.000Z'
    expect(await preview(past)).toEqual(
      shown(description, ['2001-01-01T00:00:00.000Z', '2001-01-01T00:00:00+00:00']),
    )
    expect(await preview({ ...past, after: past.next_run_at })).toEqual(shown(description))
  })
})

test.for([
  [{}, 5],
  [{ count: 1 }, 1],
  [{ count: 50 }, 50],
  [{ count: 50, max_runs: 2 }, 2],
  [{ max_runs: 100 }, 5],
])('for %j, returns %s occurrences', async ([given, count]) => {
  const { body } = await preview({ ...interval, ...(given as object) })
  expect(body.occurrences).toEqual(
    Array(count).fill({ at: INSTANT, effective_at: INSTANT, local: expect.any(String), note: null }),
  )
})

test('handles an event that uses null for missing values', async () => {
  const body = { ...interval, next_run_at: '2999-01-01T00:00:00Z', count: 1 }
  expect(await callOffline(handler, { ...request, body })).toEqual(
    shown('Every 3600 seconds', ['2999-01-01T00:00:00.000Z', '2999-01-01T00:00:00+00:00']),
  )
})

describe('shows the same occurrences as a task with the same fields', () => {
  beforeEach(emptyTables)

  test.for<[what: string, fields: object]>([
    ['a cron schedule', { schedule_type: 'cron', cron_expression: '0 9 1 1 *', timezone: 'Asia/Tokyo' }],
    [
      'a cron schedule with jitter',
      { schedule_type: 'cron', cron_expression: '@yearly', jitter_seconds: 3600 },
    ],
    [
      'a cron schedule with start_at and end_at',
      { schedule_type: 'cron', cron_expression: '@yearly', start_at: '2990-06-01', end_at: '2992-06-01' },
    ],
    [
      'a cron schedule with next_run_at',
      { schedule_type: 'cron', cron_expression: '@yearly', next_run_at: '2990-06-01' },
    ],
    ['an interval with start_at', { ...interval, start_at: '2990-01-01', jitter_seconds: 60 }],
    ['an interval with next_run_at', { ...interval, next_run_at: '2990-01-01' }],
    ['an interval with a past next_run_at', { ...interval, next_run_at: '2001-01-01' }],
    ['an interval with max_runs', { ...interval, next_run_at: '2990-01-01', max_runs: 2 }],
    [
      'an interval with a fixed delay',
      { ...interval, next_run_at: '2990-01-01', interval_mode: 'fixed_delay' },
    ],
    ['a once schedule', { schedule_type: 'once', next_run_at: '2990-01-01', jitter_seconds: 60 }],
  ])('%s', async ([, fields]) => {
    const task = { ...fields, name: 'same' }
    const created = await call(createTask, {
      method: 'POST',
      path: '/tasks',
      body: { ...task, type: 'sleep' },
    })
    const previewed = await preview({ ...task, count: 3 })
    expect(created.statusCode).toBe(201)
    expect(previewed.body.occurrences.length).toBeGreaterThan(0)
    expect(previewed.body.occurrences.map((it: { effective_at: string }) => it.effective_at)).toEqual(
      created.body.next_runs,
    )
  })

  test('an interval without a start time starts immediately', async () => {
    const before = Date.now()
    const { body } = await preview({ ...interval, count: 2 })
    const [first, second] = body.occurrences.map((it: { at: string }) => Date.parse(it.at))
    expect(Math.abs(first - before)).toBeLessThan(60_000)
    expect(second - first).toBe(3_600_000)
  })
})

test.for<[body: object, ...fields: [string, string][]]>([
  [{}, ['#/schedule_type', 'must be one of interval, once, cron']],
  [{ schedule_type: 'interval' }, ['#/interval_seconds', 'is required when schedule_type is interval']],
  [{ schedule_type: 'once' }, ['#/next_run_at', 'is required when schedule_type is once']],
  [
    { schedule_type: 'once', after: '2027-01-01' },
    ['#/next_run_at', 'is required when schedule_type is once'],
  ],
  [
    cron('* * * *', 'UTC', '2027-01-01'),
    ['#/cron_expression', 'expected five fields, or six with seconds first, but found 4'],
  ],
  [cron('@daily', 'x', '2027-01-01'), ['#/timezone', '"x" is not an IANA time zone']],
  [{ ...interval, count: 0 }, ['#/count', 'must be at least 1']],
  [{ ...interval, count: 51 }, ['#/count', 'must be at most 50']],
  [{ ...interval, max_runs: 0 }, ['#/max_runs', 'must be at least 1']],
  [{ ...interval, type: 'sleep' }, ['#/type', 'is unknown']],
  [{ ...interval, start_at: '2027-01-02', end_at: '2027-01-01' }, ['#/end_at', 'is before start_at']],
  [{ ...interval, end_at: '2001-01-01' }, ['#/end_at', 'the schedule has no occurrences']],
  [{ ...interval, next_run_at: '2990-01-02', end_at: '2990-01-01' }, ['#/next_run_at', 'is after end_at']],
  [
    { ...interval, next_run_at: '2990-01-01', start_at: '2990-01-02' },
    ['#/next_run_at', 'is before start_at'],
  ],
  [
    { schedule_type: 'once', interval_mode: 'fixed_delay', start_at: '2027-01-01', end_at: '2027-01-02' },
    ['#/interval_mode', 'is not allowed when schedule_type is once'],
    ['#/start_at', 'is not allowed when schedule_type is once'],
    ['#/end_at', 'is not allowed when schedule_type is once'],
  ],
])('rejects %j', async ([body, ...fields]) => {
  expect(await preview(body)).toEqual(invalidFields(...fields))
})
