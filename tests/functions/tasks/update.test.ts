import { beforeEach, describe, expect, test } from 'vitest'
import { handler } from '../../../functions/tasks/update.ts'
import { db } from '../../../shared/db.ts'
import { aTask, etag, INSTANT, invalidFields, invalidParameter, json, problem } from '../../setup/expected.ts'
import { call, type HttpCall } from '../../setup/http-event.ts'
import { emptyTables, insertExecution, insertTask, nowPlus, statementsWaiting } from '../../setup/rows.ts'

const patch = (body: unknown, more: Partial<HttpCall> = {}) =>
  call(handler, { method: 'PATCH', path: '/tasks/{id}', pathParameters: { id: '1' }, body, ...more })

const changed = (given: object, version = 2) => json(200, aTask({ version, ...given }), etag(version))

const at = '2027-03-10T00:00:00.000Z'
const cron = { schedule_type: 'cron', interval_seconds: null, cron_expression: '0 0 1 1 *' }
const once = { schedule_type: 'once', interval_seconds: null }
const newYear = expect.stringMatching(/^20\d\d-01-01T00:00:00\.000Z$/)

beforeEach(emptyTables)

describe('changing fields', () => {
  test('changes only the given fields', async () => {
    await insertTask({ params: db().json({ duration: 9 }) })
    const given = {
      timeout_seconds: 0.5,
      overlap_policy: 'queue',
      misfire_policy: 'skip',
      misfire_grace_seconds: 0,
      max_attempts: 2,
      retry_backoff_seconds: 0,
      crash_limit: 0,
    }
    expect(await patch(given)).toEqual(changed({ ...given, params: { duration: 9 }, next_run_at: at }))
    expect(await patch({ params: { duration: 1 } })).toEqual(
      changed({ ...given, params: { duration: 1 }, next_run_at: at }, 3),
    )
  })

  test('changes a task whose name would be rejected today', async () => {
    const name = 'pay\u202egnp'
    await insertTask({ name })
    expect(await patch({ description: 'می\u200cخواهم \u200fא' })).toEqual(
      changed({ name, description: 'می\u200cخواهم \u200fא', next_run_at: at }),
    )
  })

  test('stores the change and updates updated_at', async () => {
    await insertTask({ updated_at: '2020-01-01T00:00:00Z' })
    await patch({ max_attempts: 7 })
    const [row] = await db()`
      select max_attempts, updated_at > now() - interval '1 minute' as fresh
      from whole_tasks`
    expect(row).toEqual({ max_attempts: 7, fresh: true })
  })

  test('changes nothing if no field has a new value', async () => {
    await insertTask()
    expect(await patch({})).toEqual(changed({ next_run_at: at }, 1))
    expect(await patch({ interval_seconds: 60, timezone: 'UTC', max_attempts: null })).toEqual(
      changed({ next_run_at: at }, 1),
    )
  })

  test('ignores nulls, except that a null timeout_seconds restores the default', async () => {
    const own = { timeout_seconds: 5, max_attempts: 3, overlap_policy: 'queue' }
    await insertTask({ ...own, params: db().json({ duration: 9 }), timezone: 'Asia/Tokyo' })
    const nulls = {
      schedule_type: null,
      interval_seconds: null,
      cron_expression: null,
      timezone: null,
      next_run_at: null,
      params: null,
      timeout_seconds: null,
      overlap_policy: null,
      misfire_policy: null,
      misfire_grace_seconds: null,
      max_attempts: null,
      retry_backoff_seconds: null,
      crash_limit: null,
    }
    expect(await patch(nulls)).toEqual(
      changed({
        ...own,
        timeout_seconds: null,
        params: { duration: 9 },
        timezone: 'Asia/Tokyo',
        next_run_at: at,
      }),
    )
  })

  test('does not change other tasks', async () => {
    await insertTask({ name: 'a' })
    await insertTask({ name: 'b' })
    await patch({ max_attempts: 9 })
    expect(await db()`select max_attempts, version from whole_tasks where name = 'b'`).toEqual([
      { max_attempts: 1, version: 1 },
    ])
  })

  test('applies concurrent changes one after the other', async () => {
    await insertTask()
    const attempts = [2, 3, 4, 5, 6, 7, 8, 9]
    const responses = await Promise.all(attempts.map((max_attempts) => patch({ max_attempts })))
    expect(responses.map(({ statusCode }) => statusCode)).toEqual(Array(8).fill(200))
    expect(responses.map(({ body }) => body.version).toSorted()).toEqual([2, 3, 4, 5, 6, 7, 8, 9])
  })
})

test('checks a change against the result of a concurrent change, not against the task as it was before', async () => {
  await insertTask()
  const [toCron, toInterval] = await db().begin(async (tx) => {
    await tx`select from task_state for update`
    const first = patch({ schedule_type: 'cron', cron_expression: '@yearly' })
    await statementsWaiting(1)
    const second = patch({ interval_seconds: 5 })
    await statementsWaiting(2)
    return [first, second] as const
  })
  expect((await toCron).statusCode).toBe(200)
  expect(await toInterval).toEqual(
    invalidFields(['#/interval_seconds', 'is not allowed when schedule_type is cron']),
  )
})

describe('changing the schedule', () => {
  test('a new interval is counted from the last run', async () => {
    const last = await nowPlus(-100)
    await insertTask({ next_run_at: await nowPlus(3600) })
    await insertExecution(last)
    expect(await patch({ interval_seconds: 1000 })).toEqual(
      changed({ interval_seconds: 1000, next_run_at: new Date(Date.parse(last) + 1_000_000).toISOString() }),
    )
  })

  test('a new interval does not move the first occurrence if the task has never run', async () => {
    const next_run_at = await nowPlus(3600)
    await insertTask({ next_run_at })
    expect(await patch({ interval_seconds: 1 })).toEqual(changed({ interval_seconds: 1, next_run_at }))
  })

  test.for([{ interval_seconds: 5 }, cron])(
    'does not move an occurrence that is already due, given %j',
    async (given) => {
      const next_run_at = await nowPlus(-1)
      await insertTask({ next_run_at })
      expect(await patch(given)).toEqual(changed({ ...given, next_run_at }))
    },
  )

  test('a task that switches to cron is due at its first cron occurrence', async () => {
    await insertTask({ next_run_at: await nowPlus(3600) })
    expect(await patch({ ...cron, timezone: 'UTC' })).toEqual(changed({ ...cron, next_run_at: newYear }))
  })

  test('a new cron expression or time zone moves the next occurrence', async () => {
    await insertTask({ ...cron, next_run_at: '2999-01-01T00:00:00Z' })
    expect(await patch({ timezone: 'Asia/Tokyo' })).toEqual(
      changed({
        ...cron,
        timezone: 'Asia/Tokyo',
        next_run_at: expect.stringMatching(/^20\d\d-12-31T15:00:00\.000Z$/),
      }),
    )
    expect(await patch({ cron_expression: '0 9 1 7 *' })).toEqual(
      changed(
        {
          ...cron,
          cron_expression: '0 9 1 7 *',
          timezone: 'Asia/Tokyo',
          next_run_at: expect.stringMatching(/^20\d\d-07-01T00:00:00\.000Z$/),
        },
        3,
      ),
    )
  })

  test('a task that switches from cron to an interval is due immediately', async () => {
    await insertTask({ ...cron, next_run_at: '2999-01-01T00:00:00Z' })
    const response = await patch({ schedule_type: 'interval', interval_seconds: 60 })
    expect(response).toEqual(changed({ next_run_at: INSTANT }))
    expect(await db()`select next_run_at <= now() as due from whole_tasks`).toEqual([{ due: true }])
  })

  test('reads a next_run_at without an offset as UTC when a task switches to `once`', async () => {
    await insertTask()
    expect(await patch({ schedule_type: 'once', next_run_at: '2027-04-01T00:00:00' })).toEqual(
      changed({ ...once, next_run_at: '2027-04-01T00:00:00.000Z' }),
    )
  })

  test('a finished `once` task stays finished', async () => {
    await insertTask({ ...once, next_run_at: null })
    expect(await patch({ timezone: 'Asia/Tokyo' })).toEqual(
      changed({ ...once, timezone: 'Asia/Tokyo', next_run_at: null }),
    )
  })

  test('setting the schedule to its current values does not change next_run_at', async () => {
    const next_run_at = '2999-06-01T00:00:00.000Z'
    await insertTask({ ...cron, next_run_at })
    expect(await patch({ ...cron, timezone: 'UTC' })).toEqual(changed({ ...cron, next_run_at }, 1))
  })
})

describe('a new next_run_at', () => {
  test('sets the next run', async () => {
    await insertTask()
    expect(await patch({ next_run_at: '2027-05-01T12:00:00+02:00' })).toEqual(
      changed({ next_run_at: '2027-05-01T10:00:00.000Z' }),
    )
  })

  test('schedules a finished `once` task again', async () => {
    await insertTask({ ...once, next_run_at: null })
    await insertExecution(at)
    const next_run_at = '2027-03-10T00:00:00.001Z'
    expect(await patch({ next_run_at })).toEqual(changed({ ...once, next_run_at }))
  })

  test('is rejected, and nothing is changed, if the occurrence at that time has already been handled', async () => {
    await insertTask({ next_run_at: '2027-03-10T00:01:00Z' })
    await insertExecution(at)
    expect(await patch({ next_run_at: '2027-03-10T01:00:00+01:00', max_attempts: 9 })).toEqual(
      problem('conflict', `the occurrence ${at} has already been handled`, {
        errors: [{ pointer: '#/next_run_at', detail: 'has already been handled' }],
      }),
    )
    expect(await db()`select max_attempts, version from whole_tasks`).toEqual([
      { max_attempts: 1, version: 1 },
    ])
  })

  test('is accepted if only a manual run or a run of another task has that time', async () => {
    await insertTask({ name: 'a', next_run_at: '2027-03-10T00:01:00Z' })
    await insertTask({ name: 'b' })
    await insertExecution(at, { task_id: 1, trigger: 'manual' })
    await insertExecution(at, { task_id: 2 })
    expect(await patch({ next_run_at: at })).toEqual(changed({ next_run_at: at }))
  })
})

describe('invalid requests', () => {
  const foreign = (type: string) => `is not allowed when schedule_type is ${type}`
  const required = (type: string) => `is required when schedule_type is ${type}`

  test.for<[what: string, body: object, pointer: string, detail: string]>([
    ['a misspelled field', { max_atempts: 2 }, '#/max_atempts', 'is unknown; did you mean max_attempts?'],
    ['a new name', { name: 'b' }, '#/name', "can't be changed"],
    ['a new type', { type: 'http' }, '#/type', "can't be changed"],
    [
      'a cron schedule without cron_expression',
      { schedule_type: 'cron' },
      '#/cron_expression',
      required('cron'),
    ],
    ['a once schedule without next_run_at', { schedule_type: 'once' }, '#/next_run_at', required('once')],
    [
      'a cron_expression for an interval',
      { cron_expression: '@daily' },
      '#/cron_expression',
      foreign('interval'),
    ],
    [
      'interval_seconds for a once schedule',
      { schedule_type: 'once', interval_seconds: 5, next_run_at: '2027-04-01' },
      '#/interval_seconds',
      foreign('once'),
    ],
    [
      'an invalid cron expression',
      { schedule_type: 'cron', cron_expression: '* * * *' },
      '#/cron_expression',
      'expected five fields, or six with seconds first, but found 4',
    ],
    ['an invalid time zone', { timezone: 'x' }, '#/timezone', '"x" is not an IANA time zone'],
    ['params of a different task type', { params: { url: 'http://a/' } }, '#/params/url', 'is unknown'],
    ['params that are not an object', { params: [] }, '#/params', 'must be an object'],
    ['invalid params', { params: { duration: 'x' } }, '#/params/duration', 'must be a number'],
    ['an interval of zero seconds', { interval_seconds: 0 }, '#/interval_seconds', 'must be at least 1'],
    [
      'an invalid next_run_at',
      { next_run_at: '9999-12-31T23:00-14' },
      '#/next_run_at',
      'must be an ISO 8601 timestamp, such as 2027-03-28T01:00:00Z',
    ],
    ['a timeout of zero', { timeout_seconds: 0 }, '#/timeout_seconds', 'must be at least 0.001'],
    ['the read-only field running', { running: true }, '#/running', 'is unknown'],
  ])('rejects %s and changes nothing', async ([, body, pointer, detail]) => {
    await insertTask()
    expect(await patch(body)).toEqual(invalidFields([pointer, detail]))
    expect(await db()`select version from whole_tasks`).toEqual([{ version: 1 }])
  })

  test('returns 404 for a task that does not exist', async () => {
    expect(await patch({})).toEqual(problem('not_found', 'task 1 does not exist'))
    expect(await patch({}, { pathParameters: { id: '9007199254740991' } })).toEqual(
      problem('not_found', 'task 9007199254740991 does not exist'),
    )
  })

  test('rejects a malformed id', async () => {
    expect(await patch({}, { pathParameters: { id: 'x' } })).toEqual(
      invalidParameter('id', 'must be a whole number'),
    )
  })

  test('rejects an invalid body', async () => {
    expect(await patch('[]')).toEqual(invalidFields(['#', 'must be an object']))
    expect(await patch('{')).toEqual(problem('invalid', 'Invalid or malformed JSON was provided'))
    expect(await patch({}, { headers: { 'content-type': 'text/plain' } })).toEqual(
      problem('unsupported_media_type', 'Unsupported Media Type'),
    )
    expect(await patch({ params: { body: 'x'.repeat(262_144) } })).toEqual(
      problem('payload_too_large', 'the body is larger than 262144 bytes'),
    )
  })
})
