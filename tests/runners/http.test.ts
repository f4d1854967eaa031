import { getEventListeners } from 'node:events'
import type { ServerResponse } from 'node:http'
import { beforeEach, describe, expect, test } from 'vitest'
import { db } from '../../shared/db.ts'
import { http } from '../../shared/runners/http.ts'
import { emptyTables, insertTask, nowPlus } from '../setup/rows.ts'
import { historyOf, tickAndRun } from '../setup/scheduler.ts'
import { startTarget } from '../setup/target.ts'

beforeEach(emptyTables)

const answer =
  (status: number, headers: Record<string, string> = {}) =>
  (response: ServerResponse) =>
    response.writeHead(status, headers).end()

/** Calls the runner directly with these params. */
async function call(params: object, signal: AbortSignal = new AbortController().signal) {
  const run = {
    taskId: 1,
    executionId: 1,
    scheduledFor: new Date(0),
    attempt: 1,
    idempotencyKey: 'key',
    signal,
  }
  return await http.run(http.params.parse(params), run)
}

const result = (status_code: number) => ({ status_code, elapsed_seconds: expect.any(Number) })
const success = (status_code: number) => ({ status: 'success', result: result(status_code) })
const failure = (status_code: number, retryable: boolean, notBeforeSeconds = 0) => ({
  status: 'failed',
  errorCode: 'http_status',
  detail: `the target responded with status ${status_code}`,
  retryable,
  result: result(status_code),
  notBeforeSeconds,
})

describe('sends', () => {
  test.for(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])('a %s request', async (method) => {
    await using target = await startTarget(answer(200))
    expect(await call({ url: `${target.url}/a?b=c`, method })).toEqual(success(200))
    expect(target.seen).toEqual([expect.objectContaining({ method, url: '/a?b=c', body: '' })])
  })

  test.for<[body: unknown, sent: string, type: string | undefined]>([
    ['plain ✓', 'plain ✓', undefined],
    ['', '', undefined],
    [{ a: [1, null, 'ž'] }, '{"a":[1,null,"ž"]}', 'application/json'],
    [[], '[]', 'application/json'],
    [undefined, '', undefined],
  ])('the body %j', async ([body, sent, type]) => {
    await using target = await startTarget(answer(200))
    await call({ url: target.url, method: 'POST', body })
    expect(target.seen[0]?.body).toBe(sent)
    expect(target.seen[0]?.headers['content-type']).toBe(type)
  })

  test('custom headers, which override the defaults', async () => {
    await using target = await startTarget(answer(200))
    const headers = { 'X-Own': 'é', 'Content-Type': 'application/vnd.a+json', 'Idempotency-Key': 'mine' }
    await call({ url: target.url, method: 'POST', headers, body: {} })
    expect(target.seen[0]?.headers).toMatchObject({
      'x-own': 'é',
      'content-type': 'application/vnd.a+json',
      'idempotency-key': 'mine',
    })
  })
})

describe('a response status', () => {
  test.for<[status: number, expected: unknown, ok: boolean]>([
    [200, undefined, true],
    [204, undefined, true],
    [304, undefined, true],
    [400, undefined, false],
    [500, undefined, false],
    [404, 404, true],
    [200, 404, false],
    [503, [200, 503], true],
    [201, [200, 503], false],
  ])('of %s with expected_status %j is a success: %s', async ([status, expected_status, ok]) => {
    await using target = await startTarget(answer(status))
    expect(await call({ url: target.url, expected_status })).toMatchObject({
      status: ok ? 'success' : 'failed',
    })
  })

  test('of a redirect is a success, and the redirect is not followed', async () => {
    await using target = await startTarget(answer(302, { location: '/elsewhere' }))
    expect(await call({ url: target.url })).toEqual(success(302))
    expect(target.seen).toHaveLength(1)
  })
})

test.for<[status: number, retryable: boolean]>([
  [400, false],
  [401, false],
  [404, false],
  [410, false],
  [422, false],
  [408, true],
  [409, true],
  [425, true],
  [429, true],
  [500, true],
  [501, true],
  [503, true],
  [599, true],
])('status %s is retryable: %s', async ([status, retryable]) => {
  await using target = await startTarget(answer(status))
  expect(await call({ url: target.url })).toEqual(failure(status, retryable))
})

test('a status listed in retry_status is retryable', async () => {
  await using target = await startTarget(answer(404))
  expect(await call({ url: target.url, retry_status: [404] })).toEqual(failure(404, true))
})

test.for<[header: string, seconds: number]>([
  ['120', 120],
  ['0', 0],
  ['999999999', 86_400],
  ['soon', 0],
  ['-5', 0],
  ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
  ['Fri, 31 Dec 9999 23:59:59 GMT', 86_400],
])('reads Retry-After: %s as %s seconds', async ([header, seconds]) => {
  await using target = await startTarget(answer(503, { 'retry-after': header }))
  expect(await call({ url: target.url })).toEqual(failure(503, true, seconds))
})

test('reads a date in the Retry-After header', async () => {
  const date = new Date(Date.now() + 600_000).toUTCString()
  await using target = await startTarget(answer(429, { 'retry-after': date }))
  const outcome = await call({ url: target.url })
  const seconds = 'notBeforeSeconds' in outcome ? Number(outcome.notBeforeSeconds) : 0
  expect(seconds).toBeGreaterThan(540)
  expect(seconds).toBeLessThanOrEqual(600)
})

describe('an http task', () => {
  const due = async (given: object) =>
    await insertTask({ type: 'http', interval_seconds: 3600, next_run_at: await nowPlus(-1), ...given })

  test('sends the same idempotency key for all attempts at an occurrence, and a different one for the next occurrence', async () => {
    await using target = await startTarget(answer(500))
    await due({ params: { url: target.url }, max_attempts: 2, retry_backoff_seconds: 0 })
    await tickAndRun()
    await tickAndRun()
    await db()`update task_state set next_run_at = now()`
    await tickAndRun()
    const keys = target.seen.map(({ headers }) => headers['idempotency-key'])
    const [first, , , third] = [...(await historyOf(1)), undefined]
    expect(keys).toEqual([
      `task-1-schedule-${first?.scheduled_for.toISOString()}`,
      keys[0],
      expect.stringMatching(/^task-1-schedule-/),
    ])
    expect(keys[2]).not.toBe(keys[0])
    expect(third?.attempt).toBe(2)
  })

  test('waits for Retry-After if that is longer than the backoff', async () => {
    await using target = await startTarget(answer(503, { 'retry-after': '600' }))
    await due({ params: { url: target.url }, max_attempts: 2, retry_backoff_seconds: 1 })
    await tickAndRun()
    const [first, second] = await historyOf(1)
    const wait = Number(second?.due_at) - Number(first?.finished_at)
    expect(wait).toBeGreaterThanOrEqual(599_900)
    expect(wait).toBeLessThan(601_000)
  })

  test('is not retried after a 404', async () => {
    await using target = await startTarget(answer(404))
    await due({ params: { url: target.url }, max_attempts: 5 })
    await tickAndRun()
    expect(await historyOf(1)).toMatchObject([
      { status: 'failed', detail: 'the target responded with status 404', result: result(404) },
    ])
  })

  test('aborts the request when the run times out', async () => {
    const { promise: closed, resolve: close } = Promise.withResolvers<void>()
    await using target = await startTarget((response) => response.on('close', close))
    await due({ params: { url: target.url }, timeout_seconds: 0.2 })
    await tickAndRun()
    await closed
    expect(await historyOf(1)).toMatchObject([{ status: 'timeout' }])
  })

  test.for(['host: x\r\n', 'content-length', 'transfer-encoding', 'upgrade', 'expect'])(
    'fails with a reason if it cannot send a header: %j',
    async (name) => {
      await using target = await startTarget(answer(200))
      await due({ params: { url: target.url, headers: { [name]: 'x' } } })
      await tickAndRun()
      const [execution] = await historyOf(1)
      expect(execution).toMatchObject({ status: 'failed', detail: expect.stringMatching(/./) })
      expect(target.seen).toEqual([])
    },
  )
})

describe('a response', () => {
  const chunk = Buffer.alloc(65_536)

  test('of 100 MB is not read to the end', async () => {
    let sent = 0
    await using target = await startTarget(async (response) => {
      while (!response.destroyed && sent < 1600) {
        sent += 1
        if (!response.write(chunk)) await new Promise((go) => response.once('drain', go).once('close', go))
      }
      response.end()
    })
    expect(await call({ url: target.url })).toEqual(success(200))
    expect(sent).toBeLessThan(1600)
  })

  test('that never ends is aborted by the timeout', async () => {
    await using target = await startTarget((response) => response.writeHead(200).write('a'))
    const outcome = call({ url: target.url }, AbortSignal.timeout(100))
    await expect(outcome).rejects.toThrow('aborted due to timeout')
  })

  test('that is cut off is still judged by its status, since the target has already acted', async () => {
    await using target = await startTarget((response) => {
      response.writeHead(200, { 'content-length': '10' }).write('a', () => response.destroy())
    })
    expect(await call({ url: target.url })).toEqual(success(200))
  })
})

test('fails and gives the reason if the target refuses the connection', async () => {
  const target = await startTarget(answer(200))
  await target[Symbol.asyncDispose]()
  await expect(call({ url: target.url })).rejects.toThrow('ECONNREFUSED')
})

test('removes its listener from the signal after the run', async () => {
  await using target = await startTarget(answer(200))
  const { signal } = new AbortController()
  await call({ url: target.url }, signal)
  expect(getEventListeners(signal, 'abort')).toEqual([])
})
