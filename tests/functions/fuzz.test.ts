import fc from 'fast-check'
import { beforeEach, expect, test, vi } from 'vitest'
import { handler as createTask } from '../../functions/tasks/create.ts'
import { handler as updateTask } from '../../functions/tasks/update.ts'
import { db } from '../../shared/db.ts'
import { TASK_TYPES } from '../../shared/runners/index.ts'
import { call, type HttpCall } from '../setup/http-event.ts'
import { cursorOf } from '../setup/pages.ts'
import { guarded } from '../setup/routes.ts'
import { emptyTables, insertTask } from '../setup/rows.ts'

// Each test sends hundreds or thousands of requests.
vi.setConfig({ testTimeout: 120_000 })

beforeEach(async () => {
  await emptyTables()
  await insertTask()
})

/** Asserts the content type and a status below 500. Even a 503, which blames the database, would be a bug here. */
async function expectAnswer(handler: Parameters<typeof call>[0], request: HttpCall): Promise<void> {
  const { statusCode, headers, body } = await call(handler, request)
  expect(statusCode, JSON.stringify(body)).toBeLessThan(500)
  expect(headers['content-type']).toBe(
    Number(statusCode) < 400 ? 'application/json' : 'application/problem+json',
  )
}

const post = (body: string) => expectAnswer(createTask, { method: 'POST', path: '/tasks', body })

const patch = (body: string) =>
  expectAnswer(updateTask, { method: 'PATCH', path: '/tasks/{id}', pathParameters: { id: '1' }, body })

const edges = fc.constantFrom<unknown>(
  null,
  -1,
  -0,
  0.5,
  2 ** 31,
  2 ** 53,
  1e308,
  5e-324,
  '',
  '\0',
  '\ud83e',
  '0000-01-01',
  '0001-01-01T00:00+14',
  '9999-12-31T23:59:59.999-14:00',
  '2027-03-28T01:00:00',
  '* * * * *',
  '59 23 31 12 7#5',
  '@reboot',
  'Asia/Tokyo',
  'http://[::1]:0/',
  "'; drop table tasks; --",
  'x'.repeat(5000),
  [],
  {},
)

const value = fc.oneof(edges, fc.jsonValue({ depthSize: 'large' }), fc.jsonValue({ stringUnit: 'binary' }))

const instant = fc.date({ noInvalidDate: false }).map(isoOrNot)

const fields = fc.record(
  {
    name: fc.oneof(fc.string({ unit: 'binary' }), value),
    type: fc.oneof(fc.constantFrom<unknown>(...TASK_TYPES), value),
    schedule_type: fc.oneof(fc.constantFrom<unknown>('interval', 'once', 'cron'), value),
    interval_seconds: fc.oneof(fc.integer({ min: 1 }), value),
    cron_expression: fc.oneof(fc.string({ unit: fc.constantFrom(...'0123456789*/,-#LW@ ') }), value),
    timezone: fc.oneof(fc.constantFrom<unknown>('UTC', 'Europe/Berlin', 'America/Apia'), value),
    next_run_at: fc.oneof(instant, value),
    params: fc.oneof(
      fc.record(
        { duration: value, count: value, url: value, method: value, headers: value, body: value },
        { requiredKeys: [] },
      ),
      value,
    ),
    timeout_seconds: fc.oneof(fc.double(), value),
    overlap_policy: fc.oneof(fc.constantFrom<unknown>('skip', 'queue'), value),
    misfire_policy: fc.oneof(fc.constantFrom<unknown>('fire_once', 'skip', 'fire_all'), value),
    misfire_grace_seconds: fc.oneof(fc.integer(), value),
    max_attempts: fc.oneof(fc.integer(), value),
    retry_backoff_seconds: fc.oneof(fc.double(), value),
    crash_limit: fc.oneof(fc.integer(), value),
    interval_mode: fc.oneof(fc.constantFrom<unknown>('fixed_rate', 'fixed_delay'), value),
    start_at: fc.oneof(instant, value),
    end_at: fc.oneof(instant, value),
    jitter_seconds: fc.oneof(fc.nat({ max: 86_400 }), value),
    retry_max_backoff_seconds: fc.oneof(fc.double(), value),
    pause_after_failures: fc.oneof(fc.integer(), value),
    max_runs: fc.oneof(fc.integer(), value),
    tags: fc.oneof(fc.array(fc.oneof(fc.constantFrom<unknown>('a', 'b:c'), value)), value),
  },
  { requiredKeys: [] },
)

function isoOrNot(date: Date): string {
  return Number.isNaN(date.getTime()) ? String(date) : date.toISOString()
}

/** A valid body with at most one field changed, so that the response depends on that field alone. */
const mutated = fc.tuple(fields, fc.nat(), fc.uuid()).map(([all, pick, name]) => {
  const changes = Object.entries(all)
  const good = { name, type: 'http', schedule_type: 'interval', interval_seconds: 60 }
  return { ...good, ...Object.fromEntries(changes.slice(pick % (changes.length + 1)).slice(0, 1)) }
})

test('POST and PATCH handle any JSON', async () => {
  const anything = fc.oneof(
    value.map((it) => JSON.stringify(it)),
    fc.json({ stringUnit: 'binary' }),
  )
  await fc.assert(
    fc.asyncProperty(anything, async (body) => void (await Promise.all([post(body), patch(body)]))),
    {
      numRuns: 600,
    },
  )
})

test('POST and PATCH handle any text', async () => {
  const text = fc.string({ unit: 'binary', maxLength: 200 })
  await fc.assert(
    fc.asyncProperty(text, async (body) => void (await Promise.all([post(body), patch(body)]))),
    {
      numRuns: 300,
    },
  )
})

test('POST and PATCH handle any combination of fields', async () => {
  await fc.assert(
    fc.asyncProperty(fields, async (body) => {
      const { name, type, ...changes } = body
      await Promise.all([post(JSON.stringify(body)), patch(JSON.stringify(changes))])
    }),
    { numRuns: 1000 },
  )
})

test('POST handles a valid body with one field changed', async () => {
  await fc.assert(
    fc.asyncProperty(mutated, async (body) => await post(JSON.stringify(body))),
    { numRuns: 1500 },
  )
})

test('every GET route handles any path and query', async () => {
  const id = fc.oneof(
    fc.constantFrom('1', '2', '0', '2147483648', '9007199254740991'),
    fc.string({ unit: 'binary' }),
  )
  const cursor = fc.oneof(
    fc.jsonValue().map(cursorOf),
    fc
      .tuple(
        fc.date().map((date) => isoOrNot(date)),
        fc.maxSafeInteger(),
      )
      .map(cursorOf),
    fc.maxSafeInteger().map(cursorOf),
    fc.string(),
  )
  const query = fc.record(
    {
      cursor,
      limit: fc.oneof(fc.integer().map(String), fc.string()),
      task_id: fc.oneof(fc.maxSafeInteger().map(String), fc.string()),
      status: fc.oneof(fc.constantFrom('running', 'lost'), fc.string()),
      name_prefix: fc.oneof(fc.constantFrom('\0', '\ud83e', '%'), fc.string({ unit: 'binary' })),
      scheduled_from: fc.oneof(fc.date().map(isoOrNot), fc.string()),
      paused: fc.oneof(fc.constantFrom('true', 'false'), fc.string()),
      tag: fc.oneof(fc.constantFrom('a', '"', '{}', '\\'), fc.string({ unit: 'binary' })),
      due_before: fc.oneof(instant, fc.string()),
    },
    { requiredKeys: [] },
  )
  const search = fc.oneof(
    fc.string({ unit: 'binary' }),
    query.map((it) => new URLSearchParams(it).toString()),
  )
  const reading = guarded.filter(({ request }) => request.method === 'GET')
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...reading), id, search, async ({ handler, request }, id, query) =>
      expectAnswer(handler, { ...request, pathParameters: { id }, query }),
    ),
    { numRuns: 1500 },
  )
})

const route = (name: string) => {
  const found = guarded.find(({ request }) => `${request.method} ${request.path}` === name)
  if (!found) throw new Error(`no route ${name}`)
  return found
}

test('PUT and the preview handle a body with one field or any number of fields changed', async () => {
  const put = route('PUT /tasks/by-name/{name}')
  const preview = route('POST /schedules/preview')
  const name = fc.oneof(fc.constantFrom('a', 'b'), fc.string({ unit: 'binary' }))
  const more = fc.record(
    { after: fc.oneof(instant, value), count: fc.oneof(fc.nat({ max: 60 }), value) },
    { requiredKeys: [] },
  )
  await fc.assert(
    fc.asyncProperty(fc.oneof(mutated, fields), name, more, async (body, name, more) => {
      const { name: _, ...rest } = body as Record<string, unknown>
      const { type, params, ...schedule } = rest
      const scheduled = Object.entries({ ...schedule, ...more }).filter(([key]) => PREVIEWED.includes(key))
      await Promise.all([
        expectAnswer(put.handler, { ...put.request, pathParameters: { name }, body: JSON.stringify(rest) }),
        expectAnswer(preview.handler, {
          ...preview.request,
          body: JSON.stringify(Object.fromEntries(scheduled)),
        }),
        expectAnswer(preview.handler, { ...preview.request, body: JSON.stringify({ ...body, ...more }) }),
      ])
    }),
    { numRuns: 800 },
  )
})

const PREVIEWED = [
  'schedule_type',
  'interval_seconds',
  'interval_mode',
  'cron_expression',
  'timezone',
  'start_at',
  'end_at',
  'jitter_seconds',
  'next_run_at',
  'max_runs',
  'after',
  'count',
]

test('every non-GET route handles any id, query, body and headers', async () => {
  const id = fc.oneof(
    fc.constantFrom('1', '1', '1', '2', '2147483648', '9007199254740991'),
    fc.string({ unit: 'binary' }),
  )
  const query = fc
    .record(
      {
        all: fc.oneof(fc.constant('true'), fc.string()),
        dry_run: fc.oneof(fc.constantFrom('true', 'false'), fc.string()),
        tag: fc.oneof(fc.constantFrom('a', '"', '{', '\\'), fc.string({ unit: 'binary' })),
        due_before: fc.oneof(instant, fc.string()),
        name_prefix: fc.string({ unit: 'binary' }),
      },
      { requiredKeys: [] },
    )
    .map((it) => new URLSearchParams(it).toString())
  const body = fc.oneof(
    fc.constant(undefined),
    fc.string({ unit: 'binary' }),
    fc
      .record(
        {
          until: fc.oneof(instant, value),
          reason: value,
          missed: fc.oneof(fc.constantFrom<unknown>('skip', 'policy'), value),
          overlap: fc.oneof(fc.constantFrom<unknown>('queue', 'refuse'), value),
        },
        { requiredKeys: [] },
      )
      // At most one field per body, because the fields belong to different routes.
      .chain((all) => fc.constantFrom(...Object.entries(all).map(([key, one]) => ({ [key]: one })), {}))
      .map((it) => JSON.stringify(it)),
  )
  const headers = fc.record(
    {
      'idempotency-key': fc.oneof(fc.constantFrom('k', 'l'), fc.string({ unit: 'binary' })),
      'if-match': fc.oneof(fc.constantFrom('*', '"1"', 'W/"1"'), fc.string({ unit: 'binary' })),
    },
    { requiredKeys: [] },
  )
  const acting = guarded.filter(({ request }) => request.method !== 'GET')
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...acting),
      id,
      query,
      body,
      headers,
      async ({ handler, request }, id, query, given, headers) => {
        const { body: _, ...bare } = request as HttpCall
        // An earlier case may have deleted the task.
        await db()`
          insert into tasks (id, name, type, schedule_type, interval_seconds) overriding system value
          values (1, 'a', 'sleep', 'interval', 60) on conflict do nothing`
        await db()`insert into task_state (task_id, definition) select 1, definition from tasks where id = 1 on conflict do nothing`
        const content = given === undefined ? {} : { body: given }
        await expectAnswer(handler, { ...bare, pathParameters: { id, name: id }, query, headers, ...content })
      },
    ),
    { numRuns: 2500 },
  )
})
