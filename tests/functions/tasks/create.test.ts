import { beforeEach, describe, expect, test } from 'vitest'
import { handler as preview } from '../../../functions/schedules/preview.ts'
import { handler } from '../../../functions/tasks/create.ts'
import { db } from '../../../shared/db.ts'
import { aTask, etag, invalidFields, json, NOT_A_TYPE, problem } from '../../setup/expected.ts'
import { call, callOffline, type HttpCall } from '../../setup/http-event.ts'
import { emptyTables, insertTask } from '../../setup/rows.ts'

const post = (body: unknown, more: Partial<HttpCall> = {}) =>
  call(handler, { method: 'POST', path: '/tasks', body, ...more })

const created = (given: object = {}) => json(201, aTask(given), { location: '/tasks/1', ...etag(1) })

const minimal = { name: 'a', type: 'sleep', schedule_type: 'interval', interval_seconds: 60 }
const once = { name: 'a', type: 'sleep', schedule_type: 'once' }
const cron = { name: 'a', type: 'sleep', schedule_type: 'cron' }

const malformed = problem('invalid', 'Invalid or malformed JSON was provided')
const notAnInstant = 'must be an ISO 8601 timestamp, such as 2027-03-28T01:00:00Z'

beforeEach(emptyTables)

describe('creating a task', () => {
  test('creates an interval task that is due immediately', async () => {
    const response = await post({ ...minimal, params: { duration: 1 } })
    expect(response).toEqual(created({ params: { duration: 1 } }))
    const [row] =
      await db()`select next_run_at <= now() and next_run_at > now() - interval '1 minute' as due from whole_tasks`
    expect(row).toEqual({ due: true })
  })

  test('accepts the nulls that the original client sends for unset fields', async () => {
    const nulls = { next_run_at: null, cron_expression: null, params: null, timeout_seconds: null }
    expect(await post({ ...minimal, ...nulls })).toEqual(created())
  })

  test('accepts every field', async () => {
    const task = {
      name: 'every field',
      type: 'http',
      schedule_type: 'cron',
      cron_expression: '0 9 * * MON-FRI',
      timezone: 'Europe/Berlin',
      start_at: '2027-03-01T00:00:00.000Z',
      end_at: '2027-03-11T08:00:00.000Z',
      jitter_seconds: 0,
      params: { url: 'https://example.org/', method: 'POST', headers: { accept: '*/*' }, body: [1, null] },
      timeout_seconds: 0.5,
      overlap_policy: 'queue',
      misfire_policy: 'fire_all',
      misfire_grace_seconds: 0,
      max_attempts: 100,
      retry_backoff_seconds: 0.25,
      retry_max_backoff_seconds: 0,
      crash_limit: 0,
      pause_after_failures: 1,
      max_runs: 2_147_483_647,
      tags: ['team:a/b', 'x.y_z-1'],
    }
    const next_runs = ['2027-03-10T08:00:00.000Z', '2027-03-11T08:00:00.000Z']
    const given = { ...task, next_run_at: '2027-03-10T09:00:00+01:00' }
    expect(await post(given)).toEqual(
      created({ ...task, interval_seconds: null, next_run_at: next_runs[0], next_runs }),
    )
  })

  test('creates a cron task whose first occurrence is computed in its own time zone', async () => {
    const response = await post({ ...cron, cron_expression: '0 0 1 1 *', timezone: 'Asia/Tokyo' })
    expect(response).toEqual(
      created({
        schedule_type: 'cron',
        interval_seconds: null,
        cron_expression: '0 0 1 1 *',
        timezone: 'Asia/Tokyo',
        next_run_at: expect.stringMatching(/^20\d\d-12-31T15:00:00\.000Z$/),
      }),
    )
  })

  test.for([
    ['without an offset, as UTC', '2027-03-28T01:00:00', '2027-03-28T01:00:00.000Z'],
    ['that is only a date', '2027-03-28', '2027-03-28T00:00:00.000Z'],
    ['with an offset', '2027-03-28T01:00:00+05:30', '2027-03-27T19:30:00.000Z'],
    ['with microseconds, as printed by Python', '2027-03-28T01:00:00.123456', '2027-03-28T01:00:00.123Z'],
    ['in the past', '1999-12-31T23:59:59Z', '1999-12-31T23:59:59.000Z'],
    ['in the last supported year', '9999-12-31T23:59:59.999Z', '9999-12-31T23:59:59.999Z'],
    ['in the first supported year', '1000-01-01T00:00:00Z', '1000-01-01T00:00:00.000Z'],
  ])('creates a once task from a next_run_at %s', async ([, given, expected]) => {
    expect(await post({ ...once, next_run_at: given })).toEqual(
      created({ schedule_type: 'once', interval_seconds: null, next_run_at: expected }),
    )
  })

  test.for<[string, object, string]>([
    [
      'jitter delays its only occurrence past that year',
      { schedule_type: 'once', next_run_at: '9999-12-31T23:59:59Z', jitter_seconds: 60 },
      '#/next_run_at',
    ],
    [
      'its first cron occurrence is after that year',
      { schedule_type: 'cron', cron_expression: '0 0 1 1 *', start_at: '9999-12-02T00:00:00Z' },
      '#/cron_expression',
    ],
  ])('rejects a task that would run after the year 9999: %s', async ([, given, pointer]) => {
    const { statusCode, body } = await post({ name: 'a', type: 'sleep', ...given })
    expect([statusCode, body.errors?.[0]?.pointer]).toEqual([422, pointer])
    const request = { method: 'POST', path: '/schedules/preview', body: given }
    expect((await call(preview, request)).statusCode).toBe(422)
  })

  test.for([
    ['in non-Latin scripts', 'задача 任务 🦖'],
    ['that needs joiners', 'می\u200cخواهم 👩🏽\u200d🚀'],
    ['of 200 characters', 'x'.repeat(200)],
    ['that looks like SQL', `'); drop table tasks; --`],
    ['that looks like a path', '../../{id}?a=b#c'],
  ])('creates a task with a name %s', async ([, name]) => {
    expect(await post({ ...minimal, name })).toEqual(created({ name }))
  })

  test('returns 200 KB of params unchanged', async () => {
    const params = { body: `\\"\u{1f996}\u2028'`.repeat(20_000) }
    expect(await post({ ...minimal, type: 'http', params })).toEqual(created({ type: 'http', params }))
  })

  test('accepts a base64-encoded body', async () => {
    expect(await post({ ...minimal, name: 'žluťoučký' }, { base64: true })).toEqual(
      created({ name: 'žluťoučký' }),
    )
  })

  test('accepts a base64-encoded body with 200 KB of params', async () => {
    const params = { body: 'x'.repeat(200_000) }
    const response = await post({ ...minimal, type: 'http', params }, { base64: true })
    expect(response).toEqual(created({ type: 'http', params }))
  })

  test.for(['application/json; charset=utf-8', 'Application/JSON', 'application/vnd.tasks+json'])(
    'accepts the content type %s',
    async (type) => {
      expect(await post(minimal, { headers: { 'content-type': type } })).toEqual(created())
    },
  )

  test('handles an event that uses null for missing values', async () => {
    expect(await callOffline(handler, { method: 'POST', path: '/tasks', body: minimal })).toEqual(created())
  })

  test('creates only one task if many concurrent requests use the same name', async () => {
    const responses = await Promise.all(Array.from({ length: 20 }, () => post(minimal)))
    const made = responses.filter(({ statusCode }) => statusCode === 201)
    const refused = responses.filter(({ statusCode }) => statusCode !== 201)
    expect(made).toEqual([
      json(201, aTask({ id: expect.any(Number) }), { location: expect.any(String), ...etag(1) }),
    ])
    expect(refused).toEqual(Array(19).fill(problem('conflict', 'a task named "a" already exists')))
  })
})

test('rejects a name that is already taken and leaves the existing task unchanged', async () => {
  await insertTask({ name: 'say "hi"' })
  const response = await post({ ...minimal, name: 'say "hi"', interval_seconds: 5 })
  expect(response).toEqual(problem('conflict', 'a task named "say \\"hi\\"" already exists'))
  expect(await db()`select interval_seconds from whole_tasks`).toEqual([{ interval_seconds: 60 }])
})

describe('an invalid body', () => {
  test.for([
    ['that is missing', undefined],
    ['that is empty', ''],
    ['that is not JSON', '{"name":'],
    ['with a byte order mark', '\ufeff{}'],
  ])('rejects a body %s', async ([, body]) => {
    expect(await post(body, { headers: { 'content-type': 'application/json' } })).toEqual(malformed)
  })

  test.for(['null', '[]', '"x"', '1', 'true'])('rejects the body %s', async (body) => {
    expect(await post(body)).toEqual(invalidFields(['#', 'must be an object']))
  })

  test('rejects a missing body in an event that uses null for missing values', async () => {
    const headers = { 'content-type': 'application/json' }
    expect(await callOffline(handler, { method: 'POST', path: '/tasks', headers })).toEqual(
      invalidFields(['#', 'must be an object']),
    )
  })

  test.for([undefined, '', 'text/plain', 'application/x-www-form-urlencoded', 'application/json5', 'json'])(
    'rejects a body of content type %s',
    async (type) => {
      expect(await post(minimal, { headers: { 'content-type': type } })).toEqual(
        problem('unsupported_media_type', 'Unsupported Media Type'),
      )
    },
  )

  test('rejects a body that is larger than 256 KB', async () => {
    const tooLarge = problem('payload_too_large', 'the body is larger than 262144 bytes')
    const empty = '{"name":""}'
    const fill = (bytes: number) => `{"name":"${'x'.repeat(bytes - empty.length)}"}`
    expect(await post(fill(262_145))).toEqual(tooLarge)
    expect(await post(fill(262_145), { base64: true })).toEqual(tooLarge)
    expect((await post(fill(262_144))).statusCode).toBe(422)
    expect((await post(fill(262_144), { base64: true })).statusCode).toBe(422)
  })

  test.for<[string, string]>([
    ['{"__proto__": {"name": "a"}}', '#/__proto__'],
    ['{"constructor": {"prototype": {}}}', '#/constructor'],
    ['{"params": {"body": [{"__proto__": null}]}}', '#/params/body/0/__proto__'],
    ['{"params": {"a/b": {"constructor": {"prototype": 1}}}}', '#/params/a~1b/constructor'],
  ])('names the key of %s that is not allowed', async ([body, pointer]) => {
    expect(await post(body)).toEqual(invalidFields([pointer, 'is not allowed']))
    expect(await post(body, { base64: true })).toEqual(invalidFields([pointer, 'is not allowed']))
  })

  test('treats constructor and prototype like any other unknown field', async () => {
    expect(await post({ ...minimal, constructor: 1, prototype: {} })).toEqual(
      invalidFields(['#/constructor', 'is unknown'], ['#/prototype', 'is unknown']),
    )
  })

  test('says that a body is not JSON, even if it contains such a key', async () => {
    expect(await post('{"__proto__": {')).toEqual(
      problem('invalid', 'Invalid or malformed JSON was provided'),
    )
  })

  test('rejects unknown fields and lists each of them', async () => {
    const unknown = { toString: 1, 'a/b~c': 2, 'größe #%': 3, running: true }
    expect(await post({ ...minimal, ...unknown })).toEqual(
      invalidFields(
        ['#/toString', 'is unknown'],
        ['#/a~1b~0c', 'is unknown'],
        ['#/gr%C3%B6%C3%9Fe%20%23%25', 'is unknown'],
        ['#/running', 'is unknown'],
      ),
    )
  })

  test('lists only the first 20 of 5,000 unknown fields', async () => {
    const unknown = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`f${i}`, 1]))
    const wrong = Array.from({ length: 20 }, (_, i) => ({ pointer: `#/f${i}`, detail: 'is unknown' }))
    const five = wrong.slice(0, 5).map(({ pointer, detail }) => `${pointer}: ${detail}`)
    expect(await post({ ...minimal, ...unknown })).toEqual(
      problem('invalid', `${five.join('; ')}; and 4995 more`, { errors: wrong }),
    )
  })

  test('rejects missing fields and lists each of them', async () => {
    expect(await post({})).toEqual(
      invalidFields(
        ['#/name', 'is required'],
        ['#/type', NOT_A_TYPE],
        ['#/schedule_type', 'must be one of interval, once, cron'],
      ),
    )
  })
})

describe('values that PostgreSQL cannot store', () => {
  const withParams = (params: string) =>
    `{"name":"a","type":"http","schedule_type":"interval","interval_seconds":60,"params":${params}}`

  test.for([
    ['a NUL character', '{"body":"a\\u0000b"}', '#/params/body', 'contains a NUL character'],
    [
      'a NUL character in a key',
      '{"body":{"\\u0000":1}}',
      '#/params/body',
      'has a key that contains a NUL character',
    ],
    ['half a surrogate pair', '{"body":["\\ud83e"]}', '#/params/body/0', 'is not well-formed Unicode'],
    ['a number too large for a double', '{"body":{"n":-1e400}}', '#/params/body/n', 'is too large'],
  ] as const)('rejects %s', async ([, params, pointer, detail]) => {
    expect(await post(withParams(params))).toEqual(invalidFields([pointer, detail]))
  })
})

describe('an invalid field', () => {
  const int = 'must be a whole number'
  const least = (n: number) => `must be at least ${n}`
  const most = (n: number) => `must be at most ${n}`
  const overlap = 'must be one of skip, queue'
  const misfire = 'must be one of fire_once, skip, fire_all'

  test.for<[field: string, value: unknown, detail: string]>([
    ['name', 1, 'must be a string'],
    ['name', null, 'must be a string'],
    ['name', '', 'is empty'],
    ['name', 'x'.repeat(201), 'must have at most 200 characters'],
    ['name', 'a\nb', 'contains a control character'],
    ['name', ' a', 'starts or ends with whitespace'],
    ['name', 'a\u00a0', 'starts or ends with whitespace'],
    ['name', 'pay\u202egnp', 'contains the hidden character U+202E'],
    ['name', 'pay\u200broll', 'contains the hidden character U+200B'],
    ['name', 'pay\u200droll', 'contains the hidden character U+200D'],
    ['name', '\u{e0041}', 'contains the hidden character U+E0041'],
    ['description', 'a\u202eb', 'contains U+202E, which reorders the text around it'],
    ['description', 'a\u2066b', 'contains U+2066, which reorders the text around it'],
    ['type', 'shell', NOT_A_TYPE],
    ['type', 'constructor', NOT_A_TYPE],
    ['type', null, NOT_A_TYPE],
    ['schedule_type', 'weekly', 'must be one of interval, once, cron'],
    ['schedule_type', null, 'must be one of interval, once, cron'],
    ['interval_seconds', '60', int],
    ['interval_seconds', 0.5, int],
    ['interval_seconds', 0, least(1)],
    ['interval_seconds', -1, least(1)],
    ['interval_seconds', 2_147_483_648, most(2_147_483_647)],
    ['cron_expression', 5, 'must be a string'],
    ['timezone', 1, 'must be a string'],
    ['timezone', 'x'.repeat(65), 'must have at most 64 characters'],
    ['timezone', 'Mars/Olympus', '"Mars/Olympus" is not an IANA time zone'],
    ['timezone', '+02:00', '"+02:00" is not an IANA time zone'],
    ['timezone', '', '"" is not an IANA time zone'],
    ['next_run_at', 1_800_000_000, 'must be a string'],
    ['next_run_at', 'tomorrow', notAnInstant],
    ['next_run_at', '2027-02-30T00:00:00Z', notAnInstant],
    ['next_run_at', '0000-01-01T00:00:00Z', notAnInstant],
    ['next_run_at', '0001-01-01T00:00:00+14:00', notAnInstant],
    ['next_run_at', '9999-12-31T23:59:59-14:00', notAnInstant],
    ['next_run_at', '+275760-09-13T00:00:00Z', notAnInstant],
    ['params', [], 'must be an object'],
    ['params', 'x', 'must be an object'],
    ['timeout_seconds', '1', 'must be a number'],
    ['timeout_seconds', 0, least(0.001)],
    ['timeout_seconds', 86_401, most(86_400)],
    ['overlap_policy', 'allow', overlap],
    ['misfire_policy', 1, misfire],
    ['misfire_grace_seconds', 1.5, int],
    ['misfire_grace_seconds', -1, least(0)],
    ['misfire_grace_seconds', 31_536_001, most(31_536_000)],
    ['max_attempts', 0, least(1)],
    ['max_attempts', 101, most(100)],
    ['max_attempts', true, int],
    ['retry_backoff_seconds', -0.1, least(0)],
    ['retry_backoff_seconds', 86_401, most(86_400)],
    ['crash_limit', -1, least(0)],
    ['crash_limit', 101, most(100)],
    ['crash_limit', {}, int],
    ['interval_mode', 'fixed', 'must be one of fixed_rate, fixed_delay'],
    ['start_at', 'soon', notAnInstant],
    ['end_at', 'late', notAnInstant],
    ['jitter_seconds', -1, least(0)],
    ['jitter_seconds', 86_401, most(86_400)],
    ['retry_max_backoff_seconds', 604_801, most(604_800)],
    ['pause_after_failures', 0, least(1)],
    ['pause_after_failures', 1001, most(1000)],
    ['max_runs', 0, least(1)],
    ['max_runs', 2_147_483_648, most(2_147_483_647)],
    ['tags', 'a', 'must be an array'],
    ['tags', Array(33).fill('a'), 'must have at most 32 items'],
  ])('rejects %s %j', async ([field, value, detail]) => {
    expect(await post({ ...minimal, [field]: value })).toEqual(invalidFields([`#/${field}`, detail]))
    expect(await db()`select from whole_tasks`).toHaveLength(0)
  })

  test('lists all invalid fields in one response', async () => {
    const wrong = { name: '', interval_seconds: 0, next_run_at: 'soon', max_attempts: 0 }
    expect(await post({ ...minimal, ...wrong })).toEqual(
      invalidFields(
        ['#/name', 'is empty'],
        ['#/interval_seconds', least(1)],
        ['#/next_run_at', notAnInstant],
        ['#/max_attempts', least(1)],
      ),
    )
  })
})

describe('fields that conflict with each other', () => {
  const required = (type: string) => `is required when schedule_type is ${type}`
  const foreign = (type: string) => `is not allowed when schedule_type is ${type}`
  const interval = { ...minimal, interval_seconds: undefined }

  test.for<[what: string, body: object, ...fields: [string, string][]]>([
    ['an interval without interval_seconds', interval, ['#/interval_seconds', required('interval')]],
    [
      'an interval with null interval_seconds',
      { ...interval, interval_seconds: null },
      ['#/interval_seconds', required('interval')],
    ],
    [
      'an interval with a cron expression',
      { ...minimal, cron_expression: '* * * * *' },
      ['#/cron_expression', foreign('interval')],
    ],
    [
      'a next_run_at after end_at',
      { ...minimal, next_run_at: '2027-03-11', end_at: '2027-03-10' },
      ['#/next_run_at', 'is after end_at'],
    ],
    [
      'a next_run_at before start_at',
      { ...minimal, next_run_at: '2027-03-09', start_at: '2027-03-10' },
      ['#/next_run_at', 'is before start_at'],
    ],
    [
      'an end_at in the past',
      { ...minimal, end_at: '2001-01-01' },
      ['#/end_at', 'the schedule has no occurrences'],
    ],
    ['a once schedule without next_run_at', once, ['#/next_run_at', required('once')]],
    [
      'a once schedule with a null next_run_at',
      { ...once, next_run_at: null },
      ['#/next_run_at', required('once')],
    ],
    [
      'a once schedule with interval_seconds',
      { ...once, next_run_at: '2027-03-10', interval_seconds: 5 },
      ['#/interval_seconds', foreign('once')],
    ],
    ['a cron schedule without cron_expression', cron, ['#/cron_expression', required('cron')]],
    [
      'a cron schedule with an empty expression',
      { ...cron, cron_expression: '' },
      ['#/cron_expression', 'the expression is empty'],
    ],
    [
      'a cron schedule with an invalid expression',
      { ...cron, cron_expression: '61 * * * *' },
      ['#/cron_expression', 'minute: 61 is not in 0-59'],
    ],
    [
      'a cron schedule with an expression of 200,000 characters',
      { ...cron, cron_expression: '* '.repeat(100_000) },
      ['#/cron_expression', 'the expression has 200000 characters; at most 256 are allowed'],
    ],
    [
      'a cron schedule for a day that does not exist',
      { ...cron, cron_expression: '0 0 30 2 *' },
      ['#/cron_expression', 'never fires: day 30 does not exist in month 2'],
    ],
    [
      'a cron schedule with several invalid fields',
      { ...cron, interval_seconds: 5, timezone: 'x' },
      ['#/interval_seconds', foreign('cron')],
      ['#/cron_expression', required('cron')],
      ['#/timezone', '"x" is not an IANA time zone'],
    ],
  ])('rejects %s', async ([, body, ...fields]) => {
    expect(await post(body)).toEqual(invalidFields(...fields))
  })
})

describe('params that the task type does not accept', () => {
  test.for<[type: string, params: object, pointer: string, detail: string]>([
    ['sleep', { duration: '1' }, '/duration', 'must be a number'],
    ['sleep', { duration: -1 }, '/duration', 'must be at least 0'],
    ['sleep', { duration: 86_401 }, '/duration', 'must be at most 86400'],
    ['sleep', { seconds: 1 }, '/seconds', 'is unknown'],
    ['counter', { count: 0.5 }, '/count', 'must be a whole number'],
    ['counter', { count: 2 ** 53 }, '/count', 'must be at most 9007199254740991'],
    ['http', { url: 'ftp://example.org' }, '/url', 'must be an http or https URL'],
    ['http', { url: 'http://[::1' }, '/url', 'must be an http or https URL'],
    ['http', { method: 'get' }, '/method', expect.stringContaining('must be one of GET')],
    ['http', { headers: { 'a b': '1' } }, '/headers/a%20b', 'is not a valid header name'],
    ['http', { headers: { a: 'x\r\ny' } }, '/headers/a', 'is not a valid header value'],
    ['http', { body: 1 }, '/body', 'must be a string, an object, or an array'],
    ['http', { expected_status: 99 }, '/expected_status', 'must be at least 100'],
    ['http', { expected_status: '200' }, '/expected_status', 'must be a whole number or an array'],
    ['http', { expected_status: [] }, '/expected_status', 'is empty'],
    ['http', { expected_status: [200, null] }, '/expected_status/1', 'must be a whole number'],
  ])('rejects %s %j', async ([type, params, pointer, detail]) => {
    const response = await post({ ...minimal, type, params })
    const { statusCode, body } = response
    expect({ statusCode, errors: body.errors }).toEqual({
      statusCode: 422,
      errors: [{ pointer: `#/params${pointer}`, detail }],
    })
  })
})

describe('params of an http task that are too long', () => {
  const headersOf = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`x-${index}`, 'a']))
  const statuses = (count: number) => Array(count).fill(404)
  const url = (characters: number) => 'https://example.org/'.padEnd(characters, 'x')

  test.for<[what: string, params: object]>([
    ['a URL of 8,192 characters', { url: url(8192) }],
    ['100 headers', { headers: headersOf(100) }],
    ['a header with 8,192 characters', { headers: { ['a'.repeat(256)]: 'x'.repeat(8192) } }],
    ['500 expected statuses', { expected_status: statuses(500) }],
    ['500 statuses to retry', { retry_status: statuses(500) }],
  ])('may have %s', async ([, params]) => {
    expect(await post({ ...minimal, type: 'http', params })).toEqual(created({ type: 'http', params }))
  })

  test.for<[what: string, params: object, pointer: string, detail: string]>([
    ['a URL of 8,193 characters', { url: url(8193) }, '/url', 'has more than 8192 characters'],
    ['101 headers', { headers: headersOf(101) }, '/headers', 'has more than 100 headers'],
    ['a long header', { headers: { a: 'x'.repeat(8193) } }, '/headers', 'has a header that is too long'],
    [
      'a long header name',
      { headers: { ['a'.repeat(257)]: '1' } },
      '/headers',
      'has a header that is too long',
    ],
    [
      '501 expected statuses',
      { expected_status: statuses(501) },
      '/expected_status',
      'has more than 500 statuses',
    ],
    ['501 statuses to retry', { retry_status: statuses(501) }, '/retry_status', 'has more than 500 statuses'],
  ])('may not have %s', async ([, params, pointer, detail]) => {
    expect(await post({ ...minimal, type: 'http', params })).toEqual(
      invalidFields([`#/params${pointer}`, detail]),
    )
  })
})
