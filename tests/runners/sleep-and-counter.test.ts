import { beforeEach, describe, expect, test } from 'vitest'
import { handler as updateTask } from '../../functions/tasks/update.ts'
import { db } from '../../shared/db.ts'
import { sleep } from '../../shared/runners/sleep.ts'
import { call } from '../setup/http-event.ts'
import { emptyTables, insertTask } from '../setup/rows.ts'
import { historyOf, newExecutor, tickAndRun, tickOnly } from '../setup/scheduler.ts'

beforeEach(emptyTables)

const FIRST = Date.parse('2027-03-10T00:00:00Z')
const minute = (count: number) => new Date(FIRST + count * 60_000)

describe('sleep', () => {
  const run = (params: object, signal: AbortSignal) =>
    sleep.run(sleep.params.parse(params), {
      taskId: 1,
      executionId: 1,
      scheduledFor: new Date(0),
      attempt: 1,
      idempotencyKey: 'key',
      signal,
    })

  test('sleeps for its duration', async () => {
    const from = performance.now()
    const outcome = await run({ duration: 0.05 }, new AbortController().signal)
    expect(outcome).toEqual({ status: 'success', result: { slept_seconds: 0.05 } })
    expect(performance.now() - from).toBeGreaterThanOrEqual(49)
  })

  test('sleeps for two seconds by default', () => {
    expect(sleep.params.parse({})).toEqual({ duration: 2 })
  })

  test('ends early when its signal is aborted', async () => {
    await expect(run({ duration: 86_400 }, AbortSignal.timeout(20))).rejects.toThrow('aborted')
  })
})

describe('counter', () => {
  const counts = async () => (await historyOf(1)).map(({ result }) => result?.count)
  const params = async () => (await db()<[{ params: unknown }]>`select params from whole_tasks`)[0].params

  test('starts at one, and counts each occurrence once', async () => {
    await insertTask({ type: 'counter' })
    for (let i = 0; i < 3; i += 1) await tickAndRun(minute(i))
    expect(await counts()).toEqual([1, 2, 3])
    expect(await params()).toEqual({ count: 3 })
  })

  test('counts beyond 2^31 and 2^32', async () => {
    await insertTask({ type: 'counter', params: { count: 2 ** 31 - 1 } })
    await tickAndRun(minute(0))
    await db()`update tasks set params = ${db().json({ count: 2 ** 52 })}`
    await tickAndRun(minute(1))
    expect(await counts()).toEqual([2 ** 31, 2 ** 52 + 1])
  })

  test('continues from a patched count, even if the task was already claimed', async () => {
    await insertTask({ type: 'counter', params: { count: 5 } })
    const { claims } = await tickOnly(minute(0))
    const patched = await call(updateTask, {
      method: 'PATCH',
      path: '/tasks/{id}',
      pathParameters: { id: '1' },
      body: { params: { count: 100 } },
    })
    expect(patched.body.params).toEqual({ count: 100 })
    for (const claim of claims) await newExecutor().execute(claim, 1000)
    expect(await counts()).toEqual([])
    await tickAndRun(minute(0))
    expect(await counts()).toEqual([101])
    expect(await params()).toEqual({ count: 101 })
  })

  test('counts once, even if its claim is delivered several times', async () => {
    await insertTask({ type: 'counter' })
    const { claims } = await tickOnly(minute(0))
    const deliveries = claims.flatMap((claim) =>
      Array.from({ length: 5 }, () => newExecutor().execute(claim, 1000)),
    )
    await Promise.all(deliveries)
    expect(deliveries).toHaveLength(5)
    expect(await params()).toEqual({ count: 1 })
  })
})
