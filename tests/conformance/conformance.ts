import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../setup/eventually.ts'
import { PAGE_SECURITY, SECURITY } from '../setup/expected.ts'
import { createTestDatabase } from '../setup/test-database.ts'
import { type Answer, type Call, send } from './client.ts'
import { malformed } from './malformed.ts'
import type { Runtime, StartRuntime } from './runtime.ts'

const API_KEY = 'a key for all runtimes'

type Task = { id: number; running: boolean; next_run_at: string | null; params: Record<string, unknown> }
type Execution = { id: number; task_id: number; status: string; detail: string | null; result: unknown }

type Stats = { totals: { runs: { success: number }; late_ms: object | null } }

const anId = expect.any(Number)
const anInstant = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)

/** Defines the HTTP tests that every runtime must pass. Each test creates its own tasks. */
export function conformance(name: string, startRuntime: StartRuntime): void {
  describe(name, { timeout: 30_000 }, () => {
    let database: Awaited<ReturnType<typeof createTestDatabase>>
    let runtime: Runtime

    beforeAll(async () => {
      database = await createTestDatabase()
      runtime = await startRuntime({
        API_KEY,
        DATABASE_URL: database.url,
        HOST: '127.0.0.1',
        PORT: '0',
        TICK_INTERVAL_MS: '200',
        SHUTDOWN_GRACE_SECONDS: '1',
        MAX_TIMEOUT_SECONDS: '3600',
      })
    }, 45_000)

    afterAll(async () => {
      await runtime?.kill()
      await database?.drop()
    }, 30_000)

    const call = async (options: Call): Promise<Answer> => {
      const headers = { 'x-api-key': API_KEY, ...options.headers }
      const answer = await send(runtime.url, { ...options, headers })
      expect(answer.headers).toMatchObject(SECURITY)
      return answer
    }

    const get = async <T>(path: string): Promise<T> => {
      const { status, body } = await call({ path })
      expect({ path, status }).toEqual({ path, status: 200 })
      // The cast relies on the route's response schema. T needs only the fields that a test reads.
      return body as T
    }

    const write = (method: string, path: string, body: object): Promise<Answer> =>
      call({ method, path, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })

    const create = async (task: object): Promise<Task> => {
      const { status, body } = await write('POST', '/tasks', task)
      expect({ status, body }).toMatchObject({ status: 201 })
      return body as Task
    }

    const remove = (id: number): Promise<Answer> => call({ method: 'DELETE', path: `/tasks/${id}` })

    const history = (id: number): Promise<Execution[]> => get(`/tasks/${id}/executions`)

    const later = { type: 'sleep', schedule_type: 'once', next_run_at: '2100-01-01T00:00:00' }

    test('keys have scopes, work as bearer tokens, and can be deleted', async () => {
      const { status, body } = await write('POST', '/keys', { name: 'reader', scope: 'read' })
      const { id, key } = body as { id: number; key: string }
      expect(status).toBe(201)
      const authorization = `Bearer ${key}`
      const use = (method: string, path: string) =>
        send(runtime.url, { method, path, headers: { authorization } })
      expect((await use('GET', '/tasks?limit=1')).status).toBe(200)
      expect((await use('DELETE', '/tasks?all=true')).status).toBe(403)
      expect((await call({ method: 'DELETE', path: `/keys/${id}` })).status).toBe(200)
      await eventually(async () => expect((await use('GET', '/tasks?limit=1')).status).toBe(401), 10)
    })

    test('a key becomes a session, whose cookie works for pages of this API only', async () => {
      const json = { 'content-type': 'application/json', 'sec-fetch-site': 'same-origin' }
      const body = JSON.stringify({ key: API_KEY })
      const started = await send(runtime.url, { method: 'POST', path: '/session', headers: json, body })
      expect(started).toMatchObject({ status: 201, body: { name: 'API_KEY', scope: 'admin' } })
      const [set = ''] = started.headers['set-cookie'] ?? []
      expect(set).toMatch(/^tsk_session=[\w-]{43};/)
      expect(set).toMatch(/; *HttpOnly/i)
      expect(set).toMatch(/; *SameSite=Strict/i)
      expect(set).toMatch(/; *Path=\/(;|$)/i)
      const cookie = `a=b; ${set.split(';')[0]}; c=d`
      const use = (method: string, path: string, headers = {}) =>
        send(runtime.url, { method, path, headers: { cookie, ...headers } })
      expect((await use('GET', '/tasks?limit=1')).status).toBe(200)
      expect((await use('GET', '/session')).body).toMatchObject({ login: 'key', name: 'API_KEY' })
      expect((await use('DELETE', '/tasks/424242')).status).toBe(403)
      expect((await use('DELETE', '/tasks/424242', { 'sec-fetch-site': 'same-origin' })).status).toBe(404)
      expect((await use('GET', '/tasks?limit=1', { 'x-api-key': 'wrong' })).status).toBe(401)
      const ended = await use('DELETE', '/session', { origin: runtime.url })
      expect(ended.headers['set-cookie']?.[0]).toMatch(/^tsk_session=;.*Max-Age=0/i)
      await eventually(async () => expect((await use('GET', '/tasks?limit=1')).status).toBe(401), 10)
    })

    test('pages from other origins cannot change anything', async () => {
      const origin = 'https://evil.example'
      const answer = await call({ method: 'POST', path: '/tasks/pause?all=true', headers: { origin } })
      expect(answer).toMatchObject({ status: 403, body: { code: 'forbidden' } })
      expect(answer.headers).not.toHaveProperty('access-control-allow-origin')
    })

    test('reports that it is alive without requiring an API key', async () => {
      const { status, body } = await send(runtime.url, { path: '/healthz' })
      expect({ status, body }).toEqual({ status: 200, body: { status: 'ok' } })
    })

    test.for([{}, { 'x-api-key': 'wrong' }])('returns 401 for the headers %o', async (headers) => {
      const { status, body } = await send(runtime.url, { path: '/tasks', headers })
      expect({ status, body }).toMatchObject({ status: 401, body: { status: 401, code: 'unauthorized' } })
    })

    test('serves the documentation compressed and cacheable, with the security policy for pages', async () => {
      const page = await send(runtime.url, { path: '/docs' })
      expect(page.headers).toMatchObject({ ...PAGE_SECURITY, 'cache-control': 'no-cache' })
      const linked = [...String(page.body).matchAll(/(?:href|src)="(docs\/[^"]+)"/g)].map(
        ([, url]) => `/${url}`,
      )
      expect(linked).toHaveLength(3)
      for (const path of ['/docs', '/openapi.json', ...linked]) {
        const plain = await send(runtime.url, { path })
        expect(plain).toMatchObject({ status: 200, headers: { vary: 'accept-encoding' } })
        for (const encoding of ['br', 'gzip']) {
          const accept = { 'accept-encoding': encoding }
          const packed = await send(runtime.url, { path, headers: accept })
          expect(packed.headers).toMatchObject({ 'content-encoding': encoding, 'content-type': anyText })
          expect(packed.body).toEqual(plain.body)
          const known = { ...accept, 'if-none-match': String(packed.headers.etag) }
          const { status, headers, body } = await send(runtime.url, { path, headers: known })
          expect({ path, status, body }).toEqual({ path, status: 304, body: '' })
          for (const name of ['etag', 'cache-control', 'vary', 'content-security-policy'])
            expect({ path, [name]: headers[name] }).toEqual({ path, [name]: packed.headers[name] })
        }
      }
    })

    test('serves the dashboard to browsers, with its assets, and redirects other clients', async () => {
      const headers = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }
      const page = await send(runtime.url, { path: '/', headers })
      expect(page).toMatchObject({ status: 200, headers: { ...PAGE_SECURITY, 'cache-control': 'no-cache' } })
      const linked = [...String(page.body).matchAll(/(?:href|src)="(dashboard\/[^"]+)"/g)].map(
        ([, url]) => `/${url}`,
      )
      expect(linked).toHaveLength(3)
      for (const path of linked) {
        const asset = await send(runtime.url, { path, headers: { 'accept-encoding': 'br' } })
        expect(asset).toMatchObject({
          status: 200,
          headers: { 'content-encoding': 'br', 'cache-control': 'public, max-age=31536000, immutable' },
        })
      }
      expect(await send(runtime.url, { path: '/' })).toMatchObject({ status: 302 })
    })

    test('responds with 304 to a client that has the current list of tasks', async () => {
      const { status, headers, body } = await call({ method: 'GET', path: '/tasks' })
      expect({ status, etag: headers.etag }).toEqual({
        status: 200,
        etag: expect.stringMatching(/^W\/"[\w-]{27}"$/),
      })
      const known = { 'if-none-match': String(headers.etag) }
      expect(await call({ method: 'GET', path: '/tasks', headers: known })).toMatchObject({
        status: 304,
        body: '',
      })
      const other = await call({ method: 'GET', path: '/tasks', headers: { 'if-none-match': 'W/"other"' } })
      expect({ status: other.status, body: other.body }).toEqual({ status: 200, body })
    })

    test('creates a task and rejects a second one with the same name', async () => {
      const input = { name: 'whole', ...later, interval_seconds: null, params: { duration: 1 } }
      const { status, headers, body } = await write('POST', '/tasks', input)
      expect(body).toEqual({
        id: anId,
        name: 'whole',
        type: 'sleep',
        schedule_type: 'once',
        interval_seconds: null,
        interval_mode: 'fixed_rate',
        cron_expression: null,
        timezone: 'UTC',
        start_at: null,
        end_at: null,
        jitter_seconds: 0,
        next_run_at: '2100-01-01T00:00:00.000Z',
        next_runs: ['2100-01-01T00:00:00.000Z'],
        params: { duration: 1 },
        timeout_seconds: null,
        running: false,
        overlap_policy: 'skip',
        misfire_policy: 'fire_once',
        misfire_grace_seconds: 60,
        max_attempts: 1,
        retry_backoff_seconds: 5,
        retry_max_backoff_seconds: 3600,
        crash_limit: 3,
        description: null,
        pause_after_failures: null,
        consecutive_failures: 0,
        max_runs: null,
        runs: 0,
        tags: [],
        paused_at: null,
        paused_until: null,
        pause_reason: null,
        state: expect.any(String),
        last_run_at: null,
        last_execution: null,
        recent: [],
        version: 1,
        created_at: anInstant,
        updated_at: anInstant,
      })
      expect({ status, location: headers.location }).toEqual({
        status: 201,
        location: `/tasks/${(body as Task).id}`,
      })
      const again = await write('POST', '/tasks', input)
      expect(again).toMatchObject({ status: 409, body: { code: 'conflict', detail: anyText } })
    })

    test('enforces a limit that a setting has lowered', async () => {
      const { id } = await create({ name: 'limited', ...later, timeout_seconds: 3600 })
      expect(await write('PATCH', `/tasks/${id}`, { timeout_seconds: 3601 })).toMatchObject({
        status: 422,
        body: {
          errors: [{ pointer: '#/timeout_seconds', detail: 'must be at most 3600 (MAX_TIMEOUT_SECONDS)' }],
        },
      })
    })

    test('lists, shows, updates and deletes a task', async () => {
      const task = await create({ name: 'short-lived', ...later })
      expect(await get<Task[]>('/tasks')).toContainEqual(task)
      expect(await get(`/tasks/${task.id}`)).toEqual(task)
      const changed = await write('PATCH', `/tasks/${task.id}`, {
        params: { duration: 5 },
        timeout_seconds: 9,
      })
      expect(changed).toMatchObject({
        status: 200,
        body: { ...task, params: { duration: 5 }, timeout_seconds: 9, version: 2, updated_at: anInstant },
      })
      expect(await get(`/tasks/${task.id}`)).toEqual(changed.body)
      expect(await remove(task.id)).toMatchObject({ status: 200, body: { deleted: true } })
      for (const path of [`/tasks/${task.id}`, `/tasks/${task.id}/executions`])
        expect(await call({ path })).toMatchObject({ status: 404, body: { code: 'not_found' } })
      expect(await remove(task.id)).toMatchObject({ status: 404 })
    })

    test('runs an interval task immediately and then repeatedly', async () => {
      const { id } = await create({
        name: 'interval',
        ...everySecond,
        type: 'sleep',
        params: { duration: 0.1 },
      })
      const [first, second] = await eventually(async () => {
        const done = (await history(id)).filter(({ status }) => status === 'success')
        expect(done.length).toBeGreaterThanOrEqual(2)
        return done
      })
      expect(first).toMatchObject({ task_id: id, result: { slept_seconds: 0.1 }, started_at: anInstant })
      expect(second?.result).toEqual({ slept_seconds: 0.1 })
      await remove(id)
    })

    test('increments the counter exactly once per run', async () => {
      const { id } = await create({ name: 'counter', ...everySecond, type: 'counter' })
      await eventually(async () => expect((await get<Task>(`/tasks/${id}`)).params).toEqual({ count: 3 }))
      const results = (await history(id)).map(({ result }) => result)
      expect(results.slice(0, 3)).toEqual([{ count: 1 }, { count: 2 }, { count: 3 }])
      await remove(id)
    })

    test('runs a `once` task exactly once', async () => {
      let calls = 0
      const target = createServer((_request, response) => {
        calls += 1
        response.end('here')
      }).listen(0, runtime.hostName ? '0.0.0.0' : '127.0.0.1')
      try {
        await once(target, 'listening')
        const url = `http://${runtime.hostName ?? '127.0.0.1'}:${(target.address() as AddressInfo).port}/`
        const due = { schedule_type: 'once', next_run_at: new Date().toISOString() }
        const { id } = await create({ name: 'once', type: 'http', ...due, params: { url } })
        await eventually(async () =>
          expect(await history(id)).toMatchObject([
            { status: 'success', result: { status_code: 200, elapsed_seconds: expect.any(Number) } },
          ]),
        )
        expect(await get(`/tasks/${id}`)).toMatchObject({ next_run_at: null, running: false })
        expect(calls).toBe(1)
      } finally {
        target.close()
      }
    })

    test('stops a run when it times out', async () => {
      const sleep = { type: 'sleep', params: { duration: 60 }, timeout_seconds: 0.2 }
      const { id } = await create({ name: 'too slow', ...everyHour, ...sleep })
      await eventually(async () =>
        expect(await history(id)).toMatchObject([
          { status: 'timeout', detail: 'stopped after its timeout of 0.2 seconds', result: null },
        ]),
      )
    })

    test('starts a manual run, cancels it and reruns it', async () => {
      const { id } = await create({ name: 'manual run', ...later, params: { duration: 600 } })
      const asked = await write('POST', `/tasks/${id}/run`, {})
      expect(asked).toMatchObject({ status: 201, body: { task_id: id, trigger: 'manual' } })
      const execution = asked.body as Execution
      await eventually(async () => expect((await history(id))[0]?.status).toBe('running'))
      expect(await write('POST', `/tasks/${id}/run`, {})).toMatchObject({ status: 409 })
      expect(await call({ method: 'POST', path: `/executions/${execution.id}/cancel` })).toMatchObject({
        status: 200,
      })
      await eventually(async () => expect((await history(id))[0]?.status).toBe('cancelled'))
      await write('PATCH', `/tasks/${id}`, { params: { duration: 0 } })
      const again = await call({ method: 'POST', path: `/executions/${execution.id}/rerun` })
      expect(again).toMatchObject({ status: 201, body: { trigger: 'rerun', rerun_of: execution.id } })
      await eventually(async () => expect((await history(id))[1]?.status).toBe('success'))
    })

    test('pauses and resumes a task', async () => {
      const { id } = await create({ name: 'paused', ...everySecond, type: 'counter' })
      expect(await write('POST', `/tasks/${id}/pause`, { reason: 'a test' })).toMatchObject({
        status: 200,
        body: { paused_at: anInstant, pause_reason: 'a test', next_runs: [] },
      })
      expect(await call({ method: 'POST', path: `/tasks/${id}/resume` })).toMatchObject({
        status: 200,
        body: { paused_at: null, pause_reason: null },
      })
      expect(await call({ method: 'DELETE', path: '/tasks?name_prefix=paused' })).toMatchObject({
        status: 200,
        body: { matched: 1, changed: 1, remaining: 0, next: null },
      })
    })

    test('previews a schedule across a clock change', async () => {
      const preview = await write('POST', '/schedules/preview', {
        schedule_type: 'cron',
        cron_expression: '30 2 * * *',
        timezone: 'Europe/Berlin',
        after: '2027-03-27T12:00:00Z',
        count: 2,
      })
      expect(preview).toMatchObject({
        status: 200,
        body: {
          description: 'At 02:30 (Europe/Berlin)',
          occurrences: [
            { at: '2027-03-28T01:00:00.000Z', local: '2027-03-28T03:00:00+02:00', note: anyText },
            { at: '2027-03-29T00:30:00.000Z', local: '2027-03-29T02:30:00+02:00', note: null },
          ],
        },
      })
    })

    test('replaces a task with PUT and rejects a stale update', async () => {
      const path = '/tasks/by-name/declared%20task'
      const made = await write('PUT', path, later)
      expect(made).toMatchObject({ status: 201, headers: { etag: '"1"' } })
      expect(await write('PUT', path, { ...later, tags: ['a'] })).toMatchObject({
        status: 200,
        body: { tags: ['a'] },
      })
      const { id } = made.body as Task
      const stale = await call({
        method: 'PATCH',
        path: `/tasks/${id}`,
        headers: { 'content-type': 'application/json', 'if-match': '"1"' },
        body: '{"tags":[]}',
      })
      expect(stale).toMatchObject({ status: 412, body: { code: 'precondition_failed' } })
    })

    test('lists executions newest first and upcoming tasks soonest first', async () => {
      const { id } = await create({ name: 'upcoming', ...everyHour, type: 'counter' })
      const { id: lastId } = await create({ name: 'last', ...later, next_run_at: '2200-01-01T00:00:00Z' })
      await eventually(async () =>
        expect(await get(`/executions?task_id=${id}`)).toMatchObject([{ task_id: id, status: 'success' }]),
      )
      const ids = (await get<Execution[]>('/executions')).map((execution) => execution.id)
      expect(ids).toEqual(ids.toSorted((a, b) => b - a))
      const upcoming = await get<Task[]>('/upcoming')
      expect(upcoming.map((task) => task.next_run_at)).toEqual(
        upcoming.map((it) => it.next_run_at).toSorted(),
      )
      expect(upcoming.map((task) => task.id)).toContain(id)
      expect(upcoming.at(-1)?.id).toBe(lastId)
    })

    test('lists the worker that runs an execution, and has metrics or says where they are', async () => {
      const { id } = await create({ name: 'who runs this', ...later, params: { duration: 600 } })
      await write('POST', `/tasks/${id}/run`, {})
      const runsIt = expect.objectContaining({
        last_seen_at: anInstant,
        executions: expect.arrayContaining([expect.objectContaining({ task_id: id, started_at: anInstant })]),
      })
      await eventually(async () => expect(await get('/workers')).toContainEqual(runsIt))
      const { status, body } = await call({ path: '/metrics' })
      if (status === 200)
        expect(body).toMatch(/^task_scheduler_slots_used\{share="\w+",type="sleep"\} [1-9]/m)
      else
        expect({ status, body }).toMatchObject({
          status: 404,
          body: { detail: expect.stringMatching(/does not exist here: \w+/) },
        })
      const [open] = await history(id)
      await call({ method: 'POST', path: `/executions/${open?.id}/cancel` })
      await eventually(async () => expect(await history(id)).toMatchObject([{ status: 'cancelled' }]), 10)
    })

    test('counts what has ended, for a task and for all tasks', async () => {
      const { id } = await create({ name: 'counted', ...everyHour, type: 'counter' })
      await eventually(async () => {
        const own = await get<Stats>(`/stats?task_id=${id}`)
        expect(own).toMatchObject({
          bucket: 'day',
          totals: { runs: { success: 1, failed: 0 } },
          buckets: [{}],
        })
      })
      const all = await get<Stats>('/stats?bucket=minute')
      expect(all.totals.runs.success).toBeGreaterThan(0)
      expect(all.totals.late_ms).toEqual({
        p50: expect.any(Number),
        p95: expect.any(Number),
        p99: expect.any(Number),
      })
    })

    test('links to the next page in a Link header', async () => {
      const created: number[] = []
      for (const part of ['a', 'b', 'c']) created.push((await create({ name: `page ${part}`, ...later })).id)
      const found: number[][] = []
      let path: string | undefined = '/tasks?limit=2&name_prefix=page%20'
      while (path !== undefined) {
        const { headers, body }: Answer = await call({ path })
        found.push((body as Task[]).map((task) => task.id))
        path = /^<([^>]+)>; rel="next"$/.exec(String(headers.link))?.[1]
      }
      expect(found).toEqual([created.slice(0, 2), created.slice(2)])
    })

    test('sends the whole response to a client that asks for only part of it', async () => {
      const { status, body } = await call({ path: '/healthz', headers: { range: 'bytes=0-3' } })
      expect({ status, body }).toEqual({ status: 200, body: { status: 'ok' } })
    })

    test(`returns problem details for ${malformed.length} malformed requests and does not log errors`, async () => {
      const before = runtime.log().length
      const wrong: unknown[] = []
      for (const { title, status, keyless, ...request } of malformed) {
        const answer = await (keyless ? send(runtime.url, request) : call(request))
        if (!isProblem(answer, status)) wrong.push({ title, expected: status, answer })
      }
      expect(wrong).toEqual([])
      expect(errorLines(runtime.log().slice(before))).toEqual([])
      expect(await get<Task[]>('/tasks?name_prefix=malformed')).toEqual([])
    })

    test('hands back or finishes every execution on SIGTERM', async () => {
      const duration = runtime.finishes ? 2 : 60
      const { id } = await create({ name: 'cut', ...everyHour, type: 'sleep', params: { duration } })
      await eventually(async () => expect(await get(`/tasks/${id}`)).toMatchObject({ running: true }))
      expect(await runtime.stop('SIGTERM')).toBe(0)
      const open = await database.sql`
        select task_id, status, attempt, claim_id, started_at
        from all_executions
        where status in ('queued', 'running')`
      const handedBack = { task_id: id, status: 'queued', attempt: 1, claim_id: null, started_at: null }
      expect(open).toEqual(runtime.finishes ? [] : [handedBack])
      expect(errorLines(runtime.log())).toEqual([])
    })
  })
}

const anyText = expect.stringMatching(/./)
const everySecond = { schedule_type: 'interval', interval_seconds: 1 }
const everyHour = { schedule_type: 'interval', interval_seconds: 3600 }

function isProblem({ status, headers, body }: Answer, expected: number): boolean {
  const problem = headers['content-type']?.startsWith('application/problem+json') ?? false
  const secure = Object.entries(SECURITY).every(([name, value]) => headers[name] === value)
  const { detail, code, request_id, status: own } = body as Record<string, unknown>
  const isWhole = [detail, code, request_id].every((it) => typeof it === 'string' && it !== '')
  const allow = status !== 405 || Boolean(headers.allow)
  return (
    status === expected &&
    problem &&
    secure &&
    own === status &&
    isWhole &&
    request_id === headers['x-request-id'] &&
    allow
  )
}

/** Returns the lines in which our logger or serverless-offline reports an error, and all lines of stack traces. */
function errorLines(log: string): string[] {
  return log.split('\n').filter((line) => /"level":"(ERROR|CRITICAL)"|^\s*×|^\s+at .+:\d+:\d+/.test(line))
}
