import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Runtime, startProcess } from '../conformance/runtime.ts'
import { eventually } from '../setup/eventually.ts'
import { createTestDatabase } from '../setup/test-database.ts'

const MAIN = fileURLToPath(new URL('../../cli/main.ts', import.meta.url))
const API_KEY = 'test key'
const INSTANT = String.raw`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`

let database: Awaited<ReturnType<typeof createTestDatabase>>
let server: Runtime

beforeAll(async () => {
  database = await createTestDatabase()
  server = await startProcess(['infra/container/main.ts'], {
    API_KEY,
    DATABASE_URL: database.url,
    PORT: '0',
    TICK_INTERVAL_MS: '100',
    LOG_LEVEL: 'ERROR',
  })
}, 45_000)

afterAll(async () => {
  await server?.kill()
  await database?.drop()
})

beforeEach(async () => {
  // The server locks these tables in a different order, so the truncate may deadlock. If it does, it is retried.
  await eventually(() => database.sql`truncate tasks, task_state, claims, executions restart identity`)
})

type Ran = { code: number | null; out: string; err: string }

const apiUrl = () => server.url.replace('0.0.0.0', '127.0.0.1')

/** Runs the CLI in its own process. It uses the test server unless `env` is given. */
async function client(
  args: string[],
  env: Record<string, string> = { API_URL: apiUrl(), API_KEY },
  cwd = tmpdir(),
): Promise<Ran> {
  const child = spawn(process.execPath, [MAIN, ...args], { cwd, env })
  const [out, err, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve) => child.on('close', resolve)),
  ])
  return { code, out, err }
}

const succeeded = (out: unknown) => ({ code: 0, out, err: '' })
const matching = (pattern: string) => expect.stringMatching(new RegExp(`^${pattern}\n$`))

const later = ['--schedule', 'once', '--next-run-at', '2100-01-01T00:00:00']

test('creates, lists and deletes a task', async () => {
  expect(await client(['list-tasks'])).toEqual(succeeded('there are no tasks\n'))
  expect(await client(['create', 'demo', '--task-type', 'counter', ...later])).toEqual(
    succeeded('created task 1, next run 2100-01-01 00:00:00 UTC\n'),
  )
  expect(await client(['list-tasks'])).toEqual(
    succeeded(
      [
        'ID  NAME  TYPE     SCHEDULE  NEXT RUN (UTC)       STATE    LAST',
        ' 1  demo  counter  once      2100-01-01 00:00:00  waiting  -',
        '',
      ].join('\n'),
    ),
  )
  expect(await client(['delete', '1'])).toEqual(succeeded('deleted task 1\n'))
  expect(await client(['list-tasks'])).toEqual(succeeded('there are no tasks\n'))
})

test('sends the value of every flag of the create command', async () => {
  const url = 'http://127.0.0.1/'
  const http = ['create', 'calls', '--task-type', 'http', '--url', url, '--timeout-seconds', '2.5']
  const made = await client([...http, '--schedule', 'cron', '--cron-expression', '0 0 1 1 *', '--json'])
  expect(JSON.parse(made.out)).toMatchObject({
    name: 'calls',
    type: 'http',
    schedule_type: 'cron',
    cron_expression: '0 0 1 1 *',
    params: { url },
    timeout_seconds: 2.5,
  })
  const sleep = ['create', 'sleeps', '--task-type', 'sleep', '--schedule', 'interval']
  const slow = await client([...sleep, '--interval-seconds', '60', '--duration', '0.5', '--json'])
  expect(JSON.parse(slow.out)).toMatchObject({ interval_seconds: 60, params: { duration: 0.5 } })
})

test('runs a task and lists its executions', async () => {
  await client(['create', 'demo', '--task-type', 'counter', ...later])
  expect(await client(['executions', '1'])).toEqual(succeeded('task 1 has not run yet\n'))
  expect(await client(['run', '1'])).toEqual(succeeded('execution 1 of task 1 is queued\n'))
  await eventually(async () =>
    expect(await client(['executions', '1'])).toEqual(
      succeeded(
        matching(
          String.raw`ID  STATUS   STARTED \(UTC\)        SECONDS  TRY  RESULT\n 1  success  ${INSTANT}    0\.\d{3}    1  count=1`,
        ),
      ),
    ),
  )
})

test('takes a name where it takes an id', async () => {
  await client(['create', 'nightly report/1', '--task-type', 'sleep', '--duration', '600', ...later])
  const task = 'nightly report/1'
  expect(await client(['executions', task])).toEqual(succeeded('task 1 has not run yet\n'))
  expect(await client(['run', task])).toEqual(succeeded('execution 1 of task 1 is queued\n'))
  expect(await client(['run', '--queue', task])).toEqual(
    succeeded('another run will start when the open execution ends\n'),
  )
  expect((await client(['pause', task])).out).toBe('paused task 1\n')
  expect((await client(['resume', task])).out).toMatch(/^resumed task 1, /)
  expect(await client(['run', 'nightly'])).toEqual({
    code: 1,
    out: '',
    err: 'error: 404: task "nightly" does not exist\n',
  })
  expect(await client(['delete', task])).toEqual(succeeded('deleted task 1\n'))
})

test('counts runs', async () => {
  await client(['create', 'demo', '--task-type', 'counter', ...later])
  expect(await client(['stats', '--task', '1'])).toEqual(succeeded('nothing ended in this window\n'))
  await client(['run', '1'])
  const day = String.raw`\d{4}-\d\d-\d\d 00:00:00`
  const counts = String.raw` +1 +0 +0 +0 +0 +0 +[\d.]+ +[\d.]+ +[\d.]+`
  const lines = [String.raw`START \(UTC\) +SUCCESS .* LATE P95`, day + counts, `total ${counts}`]
  await eventually(async () =>
    expect(await client(['stats', '--task', '1'])).toEqual(succeeded(matching(lines.join('\n')))),
  )
  const { out } = await client(['stats', '--bucket', 'minute', '--json'])
  expect(JSON.parse(out)).toMatchObject({ bucket: 'minute' })
  expect(await client(['stats', '--task', '1', '--tag', 'a'])).toEqual({
    code: 1,
    out: '',
    err: "error: 422: tag: can't be combined with task_id\n",
  })
})

test('cancels an execution', async () => {
  await client(['create', 'demo', '--task-type', 'sleep', '--duration', '600', ...later])
  await client(['run', '1'])
  await eventually(async () => expect((await client(['executions', '1'])).out).toContain('running'))
  expect(await client(['cancel', '1'])).toEqual(succeeded('execution 1 was asked to stop\n'))
})

test('lists the failures of all tasks, and runs them again', async () => {
  const refused = ['--task-type', 'http', '--url', 'http://127.0.0.1:1/', ...later]
  for (const name of ['a', 'b']) await client(['create', name, ...refused])
  for (const id of ['1', '2']) await client(['run', id])
  const failures = ['--status', 'failed,timeout', '--error-code', 'refused']
  await eventually(async () => {
    const { out } = await client(['executions', ...failures, '--finished-from', '2020-01-01'])
    const lines = out.split('\n').map((line) => line.split(/ +/).slice(0, 4))
    expect(lines.slice(0, 3)).toEqual([
      ['ID', 'TASK', 'STATUS', 'STARTED'],
      ['', '2', 'b', 'failed'],
      ['', '1', 'a', 'failed'],
    ])
  })
  expect((await client(['executions', '--limit', '1', '--json'])).out).toMatch(
    /^\[\n {2}\{\n {4}"id": 2,[^[]*\]\n$/,
  )
  expect(await client(['executions', '1', '--status', 'lost'])).toEqual(succeeded('no executions match\n'))
  expect(await client(['rerun', ...failures, '--dry-run'])).toEqual(succeeded('2 tasks would run again\n'))
  expect(await client(['rerun', ...failures, '--task-id', '1'])).toEqual(succeeded('1 tasks run again\n'))
  expect(await client(['rerun', '2'])).toEqual(succeeded(matching('execution \\d+ of task 2 is queued')))
  expect(await client(['rerun'])).toEqual({ code: 1, out: '', err: 'error: 400: pass a filter\n' })
  expect(await client(['rerun', '1', '--dry-run'])).toMatchObject({
    code: 2,
    err: 'error: pass an execution id or filters, not both\n',
  })
})

test('says how many tasks run again already if a later call fails', async () => {
  const first = { matched: 2, changed: 2, open: 0, remaining: 1, next: 'x', dry_run: false }
  const api = createServer(({ url }, response) => {
    const isFirst = url === '/executions/rerun?status=lost'
    response.statusCode = isFirst ? 200 : 503
    response.end(JSON.stringify(isFirst ? first : { detail: 'not now' }))
  }).listen(0, '127.0.0.1')
  try {
    const url = await eventually(() => `http://127.0.0.1:${(api.address() as AddressInfo).port}`)
    expect(await client(['rerun', '--status', 'lost'], { API_URL: url })).toEqual({
      code: 1,
      out: '',
      err: 'error: 503: not now; 2 tasks run again already\n',
    })
  } finally {
    api.close()
  }
})

test('lists the workers and what they run', async () => {
  await client(['create', 'demo', '--task-type', 'sleep', '--duration', '600', ...later])
  await client(['run', '1'])
  await eventually(async () => {
    const { code, out } = await client(['workers'])
    expect(code).toBe(0)
    expect(out).toMatch(
      /^HOST +VERSION +SINCE \(UTC\) +LAST TICK \(UTC\) +SLOTS +RUNS\n.* 1\/64 +demo \(1\)\n$/,
    )
  })
  await client(['cancel', '1'])
})

test('pauses and resumes a task', async () => {
  await client(['create', 'demo', ...later])
  expect(await client(['pause', '1', '--until', '2099-01-01T00:00:00'])).toEqual(
    succeeded('paused task 1 until 2099-01-01 00:00:00 UTC\n'),
  )
  expect((await client(['list-tasks', '--state', 'paused', '--search', 'DEM'])).out).toMatch(/paused {2}-$/m)
  expect(await client(['list-tasks', '--state', 'late,failing'])).toEqual(succeeded('there are no tasks\n'))
  expect(await client(['resume', '1'])).toEqual(
    succeeded('resumed task 1, next run 2100-01-01 00:00:00 UTC\n'),
  )
})

test.for([
  [['--cron-expression', '*/5 * * * *'], { schedule_type: 'cron', cron_expression: '*/5 * * * *' }],
  [['--next-run-at', '2100-01-01T00:00:00'], { schedule_type: 'once', interval_seconds: null }],
  [
    ['--next-run-at', '2100-01-01T00:00:00', '--interval-seconds', '60'],
    { schedule_type: 'interval', interval_seconds: 60 },
  ],
] as const)('the type of schedule follows from %o', async ([options, expected]) => {
  const { out } = await client(['create', 'unnamed', ...options, '--json'])
  expect(JSON.parse(out)).toMatchObject(expected)
})

test('previews a schedule', async () => {
  const schedule = ['--schedule', 'cron', '--cron-expression', '0 12 * * *', '--timezone', 'Europe/Berlin']
  expect(await client(['preview', ...schedule, '--after', '2027-01-01T00:00:00Z', '--count', '2'])).toEqual(
    succeeded(
      [
        'At 12:00 (Europe/Berlin)',
        'UTC                  LOCAL                      NOTE',
        '2027-01-01 11:00:00  2027-01-01T12:00:00+01:00',
        '2027-01-02 11:00:00  2027-01-02T12:00:00+01:00',
        '',
      ].join('\n'),
    ),
  )
})

test('shows hidden characters as escapes, and can run a task whose name contains them', async () => {
  const name = 'pay\u202egnp.\u200b'
  await database.sql`
    with t as (
      insert into tasks (name, type, schedule_type) values (${name}, 'counter', 'once') returning id, definition
    )
    insert into task_state (task_id, definition, next_run_at) select id, definition, '2100-01-01' from t`
  expect((await client(['list-tasks'])).out).toContain('pay\\u202egnp.\\u200b ')
  const { out } = await client(['list-tasks', '--json'])
  expect(out).toContain('"pay\\u202egnp.\\u200b"')
  expect(JSON.parse(out)).toMatchObject([{ name }])
  await client(['run', '1'])
  await eventually(async () => expect((await client(['executions', '1'])).out).toContain('success'))
  expect(await client(['create', name, ...later])).toMatchObject({
    code: 1,
    err: 'error: 422: #/name: contains the hidden character U+202E\n',
  })
})

test('truncates long names to the terminal width and leaves JSON output untouched', async () => {
  const name = `${'long '.repeat(30)}name`
  await client(['create', name, ...later])
  const lines = (await client(['list-tasks'])).out.split('\n')
  expect(Math.max(...lines.map((line) => line.length))).toBe(80)
  expect(lines[1]).toContain('…')
  expect(JSON.parse((await client(['list-tasks', '--json'])).out)).toMatchObject([{ name }])
})

test('lists tasks across all pages', async () => {
  await database.sql`
    with t as (
      insert into tasks (name, type, schedule_type)
      select 'task ' || n, 'sleep', 'once' from generate_series(1, 1001) n
      returning id, definition
    )
    insert into task_state (task_id, definition, next_run_at) select id, definition, '2100-01-01' from t`
  const { out } = await client(['list-tasks'])
  expect(out.trimEnd().split('\n')).toHaveLength(1002)
})

test('reads .env, but environment variables take precedence', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'task-scheduler-cli-'))
  try {
    await writeFile(join(folder, '.env'), `API_URL=${apiUrl()}\nAPI_KEY=wrong\n`)
    expect(await client(['list-tasks'], {}, folder)).toEqual({
      code: 1,
      out: '',
      err: 'error: 401: invalid API key\n',
    })
    expect(await client(['list-tasks'], { API_KEY }, folder)).toEqual(succeeded('there are no tasks\n'))
  } finally {
    await rm(folder, { recursive: true })
  }
})

test.for([
  [['delete', '7'], 'error: 404: task 7 does not exist\n'],
  [['create', 'demo'], 'error: 422: #/interval_seconds: is required when schedule_type is interval\n'],
] as const)('exits with 1 when the API rejects %o', async ([args, err]) => {
  expect(await client([...args])).toEqual({ code: 1, out: '', err })
})

test('exits with 1 if the server at API_URL is not the API', async () => {
  const other = createServer((_request, response) => response.end('<html>')).listen(0, '127.0.0.1')
  try {
    const url = await eventually(() => `http://127.0.0.1:${(other.address() as AddressInfo).port}`)
    expect(await client(['list-tasks'], { API_URL: url })).toEqual({
      code: 1,
      out: '',
      err: `error: the response from ${url} isn't JSON: is API_URL correct?\n`,
    })
  } finally {
    other.close()
  }
})

test('names the missing setting when there is no API key', async () => {
  expect(await client(['list-tasks'], { API_URL: apiUrl() })).toMatchObject({
    err: 'error: 401: missing API key: send it as x-api-key, or as Authorization: Bearer (set API_KEY)\n',
  })
})

test('creates, lists and deletes a key', async () => {
  const { code, out } = await client(['create-key', 'ci', '--scope', 'read'])
  expect({ code, out }).toEqual({ code: 0, out: matching('tsk_\\d+_[0-9a-f]{56}') })
  const [, id = ''] = /^tsk_(\d+)/.exec(out) ?? []
  expect(await client(['list-keys'], { API_URL: apiUrl(), API_KEY: out.trim() })).toMatchObject({
    code: 1,
    err: 'error: 403: this requires the scope admin, but ci has the scope read\n',
  })
  expect((await client(['list-keys'])).out).toMatch(new RegExp(`${id} +ci +read`))
  expect(await client(['delete-key', id])).toEqual(
    succeeded(`key ${id} is deleted; it stops working within 10 seconds\n`),
  )
})

test.for([
  [['cancel', 'first'], "'first' is invalid for argument 'execution-id'. It must be a whole number."],
  [['create'], "missing required argument 'name'"],
  [['list-tasks', '--nothing'], "unknown option '--nothing'"],
  [['nothing'], "unknown command 'nothing'"],
] as const)('exits with 2 on invalid usage: %o', async ([args, err]) => {
  const ran = await client([...args])
  expect(ran).toEqual({ code: 2, out: '', err: expect.stringContaining(err) })
})

test('exits with 2 when API_URL is not a URL', async () => {
  expect(await client(['list-tasks'], { API_URL: 'nowhere' })).toMatchObject({
    code: 2,
    err: 'error: API_URL must be an http or https URL: nowhere\n',
  })
})

test('exits with 3 if no server is listening at API_URL', async () => {
  const closed = createServer().listen(0, '127.0.0.1')
  const url = await eventually(() => `http://127.0.0.1:${(closed.address() as AddressInfo).port}`)
  await new Promise((resolve) => closed.close(resolve))
  expect(await client(['list-tasks'], { API_URL: url })).toEqual({
    code: 3,
    out: '',
    err: expect.stringContaining(`error: can't reach ${url}: connect ECONNREFUSED`),
  })
})
