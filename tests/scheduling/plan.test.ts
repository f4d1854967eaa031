import { expect, test } from 'vitest'
import { type DueTask, type Plan, plan } from '../../shared/scheduling/schedule/plan.ts'
import { readSchedule, type ScheduleFields } from '../../shared/scheduling/schedule/schedule.ts'

const at = (time: string): Date => new Date(`2027-03-10T${time}Z`)

const minutely: ScheduleFields = {
  schedule_type: 'interval',
  interval_seconds: 60,
  interval_mode: 'fixed_rate',
  cron_expression: null,
  timezone: 'UTC',
  start_at: null,
  end_at: null,
  jitter_seconds: 0,
}

type Given = Partial<Omit<DueTask, 'policies'>> & { policies?: object; fields?: object }

function task(cursor: string, given: Given = {}): DueTask {
  const { policies, fields, ...rest } = given
  return {
    schedule: readSchedule({ ...minutely, ...fields }),
    cursor: at(cursor),
    busy: null,
    runsLeft: null,
    ...rest,
    policies: { overlap_policy: 'skip', misfire_policy: 'fire_once', misfire_grace_seconds: 60, ...policies },
  }
}

const busy = (from: string, until: string) => ({ from: at(from), until: at(until) })

/** Returns a plan as text, so that a failed comparison is readable. */
function read({ run, skips, next }: Plan) {
  const time = (date: Date | null) => date?.toISOString().slice(11, 19) ?? null
  return {
    run: time(run),
    skips: skips.map(({ reason, first, last, count }) => `${reason} ${time(first)}-${time(last)} x${count}`),
    next: time(next),
  }
}

const planned = (due: DueTask, now: string) => read(plan(due, at(now)))

test('runs an occurrence that is due', () => {
  expect(planned(task('10:00:00'), '10:00:00.900')).toEqual({ run: '10:00:00', skips: [], next: '10:01:00' })
})

test('runs an occurrence that is claimed ahead', () => {
  expect(planned(task('10:00:00'), '09:59:59.500')).toEqual({ run: '10:00:00', skips: [], next: '10:01:00' })
})

test('a late run does not shift the later occurrences of an interval', () => {
  expect(planned(task('10:00:07'), '10:00:59')).toEqual({ run: '10:00:07', skips: [], next: '10:01:07' })
})

test('records occurrences that became due during a run as overlaps, and schedules the next occurrence', () => {
  const due = task('10:01:00', { busy: busy('10:00:00', '10:02:30') })
  expect(planned(due, '10:02:31')).toEqual({
    run: null,
    skips: ['overlap 10:01:00-10:02:00 x2'],
    next: '10:03:00',
  })
})

test('the queue policy runs the latest overlapped occurrence right away', () => {
  const due = task('10:01:00', { busy: busy('10:00:00', '10:02:30'), policies: { overlap_policy: 'queue' } })
  expect(planned(due, '10:02:31')).toEqual({
    run: '10:02:00',
    skips: ['overlap 10:01:00-10:01:00 x1'],
    next: '10:03:00',
  })
})

test('skips an occurrence that became due during a run, but runs one that became due after it', () => {
  const due = task('10:01:00', { busy: busy('10:00:00', '10:01:30') })
  expect(planned(due, '10:02:00')).toEqual({
    run: '10:02:00',
    skips: ['overlap 10:01:00-10:01:00 x1'],
    next: '10:03:00',
  })
})

test('the fire_once policy runs the latest missed occurrence', () => {
  expect(planned(task('10:00:00'), '11:00:30')).toEqual({
    run: '11:00:00',
    skips: ['misfire 10:00:00-10:59:00 x60'],
    next: '11:01:00',
  })
})

test('the skip policy runs the latest occurrence only if it is at most misfire_grace_seconds late', () => {
  const policies = { misfire_policy: 'skip', misfire_grace_seconds: 20 }
  expect(planned(task('10:00:00', { policies }), '10:05:10')).toEqual({
    run: '10:05:00',
    skips: ['misfire 10:00:00-10:04:00 x5'],
    next: '10:06:00',
  })
  expect(planned(task('10:00:00', { policies }), '10:05:30')).toEqual({
    run: null,
    skips: ['misfire 10:00:00-10:05:00 x6'],
    next: '10:06:00',
  })
})

test('the skip policy runs the first occurrence of a new task even if it is more than misfire_grace_seconds late', () => {
  // No tick could have run that occurrence within a grace period of 0 seconds.
  const policies = { misfire_policy: 'skip', misfire_grace_seconds: 0 }
  const run = (isFirst: boolean) => planned(task('10:00:00', { policies, isFirst }), '10:00:00.400').run
  expect([run(true), run(false)]).toEqual(['10:00:00', null])
})

test('the fire_all policy runs the oldest occurrence and leaves the others due', () => {
  const policies = { misfire_policy: 'fire_all' }
  expect(planned(task('10:00:00', { policies }), '10:02:30')).toEqual({
    run: '10:00:00',
    skips: [],
    next: '10:01:00',
  })
})

test('the fire_all policy runs only the latest hundred occurrences', () => {
  const policies = { misfire_policy: 'fire_all' }
  expect(planned(task('10:00:00', { policies }), '12:00:30')).toEqual({
    run: '10:21:00',
    skips: ['misfire 10:00:00-10:20:00 x21'],
    next: '10:22:00',
  })
})

const secondly = { interval_seconds: 1 }
const cron = { schedule_type: 'cron', interval_seconds: null, cron_expression: '* * * * * *' }

test('records a backlog of any length as one skip', () => {
  expect(planned(task('00:00:00', { fields: secondly }), '12:00:00')).toEqual({
    run: '12:00:00',
    skips: ['misfire 00:00:00-11:59:59 x43200'],
    next: '12:00:01',
  })
})

test.each([secondly, cron])('plans years of missed per-second occurrences in one step: %o', (fields) => {
  const due = { ...task('00:00:00', { fields }), cursor: new Date('2020-03-10T00:00:00Z') }
  const [years, now] = [(at('00:00:00').getTime() - due.cursor.getTime()) / 1000, at('00:00:00.500')]
  const skips = [
    { reason: 'misfire', first: due.cursor, last: new Date('2027-03-09T23:59:59Z'), count: years },
  ]
  expect(plan(due, now)).toEqual({ run: at('00:00:00'), skips, next: at('00:00:01') })
})

test.each([secondly, cron])(
  'records overlaps with a run separately from the misfires before and after the run: %o',
  (fields) => {
    const due = task('00:00:00', { fields, busy: busy('01:00:00', '02:00:00.500') })
    expect(planned(due, '12:00:00')).toEqual({
      run: '12:00:00',
      skips: ['overlap 01:00:00-02:00:00 x3601', 'misfire 00:00:00-11:59:59 x39599'],
      next: '12:00:01',
    })
  },
)

test.each([secondly, cron])(
  'the fire_all policy skips all but the latest hundred occurrences of any backlog: %o',
  (fields) => {
    const due = task('00:00:00', { fields, policies: { misfire_policy: 'fire_all' } })
    expect(planned(due, '02:46:50')).toEqual({
      run: '02:45:11',
      skips: ['misfire 00:00:00-02:45:10 x9911'],
      next: '02:45:12',
    })
  },
)

test('the fire_all policy does not count overlapped occurrences toward its limit of one hundred', () => {
  const policies = { misfire_policy: 'fire_all' }
  const due = task('00:00:00', { fields: secondly, policies, busy: busy('00:05:00', '00:10:00') })
  expect(planned(due, '00:10:39')).toEqual({
    run: '00:04:00',
    skips: ['misfire 00:00:00-00:03:59 x240'],
    next: '00:04:01',
  })
})

test('a cursor that does not match its cron expression is treated as an occurrence', () => {
  const fields = { ...cron, cron_expression: '0 * * * *' }
  expect(planned(task('00:30:00', { fields }), '03:10:00')).toEqual({
    run: '03:00:00',
    skips: ['misfire 00:30:00-02:00:00 x3'],
    next: '04:00:00',
  })
})

test('a `once` task runs exactly once, no matter how late it is', () => {
  const once = { schedule_type: 'once', interval_seconds: null }
  expect(planned(task('00:00:00', { fields: once }), '23:59:59')).toEqual({
    run: '00:00:00',
    skips: [],
    next: null,
  })
})

test('a schedule ends after an occurrence at end_at', () => {
  const fields = { end_at: at('10:01:00') }
  expect(planned(task('10:00:00', { fields }), '10:00:01').next).toBe('10:01:00')
  expect(planned(task('10:01:00', { fields }), '10:01:01')).toEqual({
    run: '10:01:00',
    skips: [],
    next: null,
  })
})

test('if end_at has passed, occurrences that are more than misfire_grace_seconds late are recorded as ended', () => {
  const due = task('10:00:00', { fields: { end_at: at('10:01:00') } })
  expect(planned(due, '11:00:00')).toEqual({ run: null, skips: ['ended 10:00:00-10:01:00 x2'], next: null })
})

test('a schedule ends after max_runs runs, and any occurrences still due are recorded as ended', () => {
  const due = task('10:00:00', { runsLeft: 1, policies: { misfire_policy: 'fire_all' } })
  expect(planned(due, '10:02:30')).toEqual({
    run: '10:00:00',
    skips: ['ended 10:01:00-10:02:00 x2'],
    next: null,
  })
  expect(planned(task('10:00:00', { runsLeft: 0 }), '10:00:30')).toEqual({
    run: null,
    skips: ['ended 10:00:00-10:00:00 x1'],
    next: null,
  })
})

test('a fixed delay is counted from the end of the run', () => {
  const due = (cursor: string) =>
    task(cursor, { fields: { interval_mode: 'fixed_delay' }, busy: busy('10:00:00', '10:01:20') })
  expect(planned(due('10:01:00'), '10:01:30')).toEqual({ run: null, skips: [], next: '10:02:20' })
  expect(planned(due('10:02:20'), '10:02:20.500')).toEqual({ run: '10:02:20', skips: [], next: '10:03:20' })
})

test('a fixed-delay task runs once after downtime', () => {
  const due = task('10:01:00', {
    fields: { interval_mode: 'fixed_delay' },
    busy: busy('10:00:00', '10:00:10'),
  })
  expect(planned(due, '18:00:00')).toEqual({ run: '10:01:10', skips: [], next: '10:02:10' })
})
