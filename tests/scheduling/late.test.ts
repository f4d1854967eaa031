import '../setup/doctor.ts'
import { beforeEach, expect, test, vi } from 'vitest'
import { db } from '../../shared/db.ts'
import type { Claim } from '../../shared/scheduling/claim/claim.ts'
import { Overdue } from '../../shared/scheduling/health/overdue.ts'
import { Executor } from '../../shared/scheduling/run/executor.ts'
import { emptyTables, insertTask, nowPlus } from '../setup/rows.ts'
import { historyOf, tickAndRun, tickOnly } from '../setup/scheduler.ts'

beforeEach(emptyTables)

const sleep = (duration: number, given: object = {}) =>
  insertTask({ name: `sleeps ${duration}`, params: db().json({ duration }), ...given })

const executorWith = (given: { maxRunning?: number; overdue?: Overdue } = {}) =>
  new Executor(db(), { leaseSeconds: 30, defaultTimeoutSeconds: 30, maxRunning: 10, ...given })

const NO_LIMIT_MS = 3_600_000

async function claimDue(aheadMs = 0): Promise<Claim> {
  const [claim] = (await tickOnly(undefined, aheadMs)).claims
  if (!claim) throw new Error('nothing was claimed')
  return claim
}

const lateOf = async (id: number) =>
  (await historyOf(id)).map(({ late_ms: ms, late_reason: reason }) => ({ ms, reason }))

test('a run that starts on time has no late reason', async () => {
  const id = await sleep(0, { next_run_at: await nowPlus(0) })
  await tickAndRun(undefined, executorWith())
  expect(await lateOf(id)).toEqual([{ ms: null, reason: null }])
})

test('a run that was due before the first tick is a catch-up', async () => {
  const id = await sleep(0, { next_run_at: await nowPlus(-5) })
  await tickAndRun(undefined, executorWith())
  const [late] = await lateOf(id)
  expect(late?.reason).toBe('catch_up')
  expect(late?.ms).toBeGreaterThanOrEqual(5000)
})

test.for([
  ['no_place', { attempt: 1 }],
  ['retry_share', { attempt: 2 }],
] as const)('a run that waited for a slot records the reason: %s', async ([reason, { attempt }]) => {
  const executor = executorWith({ maxRunning: 1 })
  await sleep(0.8, { next_run_at: await nowPlus(0) })
  const first = executor.execute(await claimDue(), NO_LIMIT_MS)
  const id = await sleep(0, { next_run_at: await nowPlus(-0.4) })
  const claim = await claimDue()
  const executions = claim.executions.map((it) => ({ ...it, attempt }))
  await executor.execute({ ...claim, executions }, NO_LIMIT_MS)
  await first
  expect(await lateOf(id)).toEqual([{ ms: expect.any(Number), reason }])
})

test('a run that waited for the database records that reason', async () => {
  const id = await sleep(0, { next_run_at: await nowPlus(-5) })
  const overdue = new Overdue(30)
  overdue.failed('tick', Object.assign(new Error('gone'), { code: 'ECONNREFUSED' }))
  await tickAndRun(undefined, executorWith({ overdue }))
  expect((await lateOf(id))[0]?.reason).toBe('database')
})

test('a process other than the one that claimed a run records how late it is, but not why', async () => {
  const id = await sleep(0, { next_run_at: await nowPlus(-5) })
  const claim = await claimDue()
  await executorWith().execute({ ...claim, isExclusive: false }, NO_LIMIT_MS)
  expect(await lateOf(id)).toEqual([{ ms: expect.any(Number), reason: null }])
})

test('the start time of an execution does not change when it ends', async () => {
  const id = await sleep(0.3, { next_run_at: await nowPlus(0.5) })
  const ended = executorWith().execute(await claimDue(1000), NO_LIMIT_MS)
  const before = await vi.waitUntil(async () => (await historyOf(id))[0]?.started_at ?? false)
  await ended
  expect((await historyOf(id))[0]?.started_at).toEqual(before)
})
