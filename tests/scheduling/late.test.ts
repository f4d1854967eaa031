import '../setup/doctor.ts'
import { beforeEach, expect, test, vi } from 'vitest'
import { memory } from '../../functions/program.ts'
import { db } from '../../shared/db.ts'
import type { Claim } from '../../shared/scheduling/claim/claim.ts'
import type { Dispatcher } from '../../shared/scheduling/claim/dispatch.ts'
import { Overdue } from '../../shared/scheduling/health/overdue.ts'
import { Executor } from '../../shared/scheduling/run/executor.ts'
import { tick } from '../../shared/scheduling/tick/tick.ts'
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

test('a run that was due before the first tick has the late reason catch_up', async () => {
  const id = await sleep(0, { next_run_at: await nowPlus(-5) })
  await tickAndRun(undefined, executorWith())
  const [late] = await lateOf(id)
  expect(late?.reason).toBe('catch_up')
  expect(late?.ms).toBeGreaterThanOrEqual(5000)
})

test('runs that were due before the first tick have the late reason catch_up, even if they fill all slots', async () => {
  const ids = [
    await sleep(0, { next_run_at: await nowPlus(-5) }),
    await sleep(0.1, { next_run_at: await nowPlus(-5) }),
  ]
  const executor = executorWith({ maxRunning: 2 })
  const runs: Promise<void>[] = []
  const dispatcher: Dispatcher = {
    capacity: async () => ({ now: executor.freeSlots, ahead: executor.freeSlots }),
    reserve: (count) => executor.reserve(count),
    async send(claim) {
      executor.accept(claim)
      runs.push(executor.execute(claim, NO_LIMIT_MS))
    },
  }
  await tick(db(), dispatcher, memory, { leaseSeconds: 30 })
  await Promise.all(runs)
  for (const id of ids) expect(await lateOf(id)).toEqual([{ ms: expect.any(Number), reason: 'catch_up' }])
})

test.for([
  ['no_place', { attempt: 1 }],
  ['retry_share', { attempt: 2 }],
] as const)('a run that waited for a slot has the late reason %s', async ([reason, { attempt }]) => {
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

test('a run that waited for the database has the late reason database', async () => {
  const id = await sleep(0, { next_run_at: await nowPlus(-5) })
  const overdue = new Overdue(30)
  overdue.failed('tick', Object.assign(new Error('gone'), { code: 'ECONNREFUSED' }))
  await tickAndRun(undefined, executorWith({ overdue }))
  expect((await lateOf(id))[0]?.reason).toBe('database')
})

test('an execution claimed by another process shows how late it is, but not why', async () => {
  const id = await sleep(0, { next_run_at: await nowPlus(-5) })
  const claim = await claimDue()
  await executorWith().execute({ ...claim, isExclusive: false }, NO_LIMIT_MS)
  expect(await lateOf(id)).toEqual([{ ms: expect.any(Number), reason: null }])
})

test("an execution's start time does not change when it ends", async () => {
  const id = await sleep(0.3, { next_run_at: await nowPlus(0.5) })
  const ended = executorWith().execute(await claimDue(1000), NO_LIMIT_MS)
  const before = await vi.waitUntil(async () => (await historyOf(id))[0]?.started_at ?? false)
  await ended
  expect((await historyOf(id))[0]?.started_at).toEqual(before)
})
