import '../setup/doctor.ts'
import { beforeEach, expect, test } from 'vitest'
import { db } from '../../shared/db.ts'
import type { Claim, ClaimedExecution } from '../../shared/scheduling/claim/claim.ts'
import { Overdue } from '../../shared/scheduling/health/overdue.ts'
import { DueTimer } from '../../shared/scheduling/run/due-timer.ts'
import { GivenUp } from '../../shared/scheduling/run/given-up.ts'
import { Heartbeat } from '../../shared/scheduling/run/heartbeat.ts'
import { type Ending, Settler } from '../../shared/scheduling/run/settler.ts'
import { settle } from '../../shared/scheduling/settle/settle.ts'
import { SetPools } from '../../shared/set-pools.ts'
import { emptyTables, insertTask, nowPlus, statementsWaiting } from '../setup/rows.ts'
import { historyOf, newExecutor, startAll, tickOnly } from '../setup/scheduler.ts'
import { startTarget } from '../setup/target.ts'

beforeEach(emptyTables)

const success = { status: 'success', result: {} } as const

async function startedClaim(aheadMs = 0): Promise<Claim> {
  const [claim] = (await tickOnly(undefined, aheadMs)).claims
  if (!claim) throw new Error('nothing was claimed')
  await startAll(claim)
  return claim
}

/**
 * Starts a run of the only task, and moves its start time back by a minute. The task's next occurrence became due a
 * second ago.
 */
async function startedAMinuteAgo(given: object = {}): Promise<ClaimedExecution> {
  await insertTask({ next_run_at: new Date(), ...given })
  const [execution] = (await startedClaim()).executions
  if (!execution) throw new Error('nothing was claimed')
  await db()`
    update task_state set started_at = now() - interval '1 minute', busy_from = now() - interval '1 minute',
      next_run_at = now() - interval '1 second'`
  return execution
}

const statuses = () => db()`select status, skip_reason from all_executions order by id`

test('an occurrence that became due after a run ended is not an overlap, even if the ending is written late', async () => {
  const execution = await startedAMinuteAgo()
  expect((await tickOnly()).claims).toEqual([])
  await settle(db(), [{ execution, outcome: success, endedAt: performance.now() - 2000 }])
  expect((await tickOnly()).claims).toHaveLength(1)
  expect(await statuses()).toEqual([
    { status: 'success', skip_reason: null },
    { status: 'queued', skip_reason: null },
  ])
})

test('an occurrence that became due before a run ended is an overlap, even if the ending is written late', async () => {
  const execution = await startedAMinuteAgo()
  await settle(db(), [{ execution, outcome: success, endedAt: performance.now() }])
  expect((await tickOnly()).claims).toEqual([])
  expect(await statuses()).toEqual([
    { status: 'success', skip_reason: null },
    { status: 'skipped', skip_reason: 'overlap' },
  ])
})

test('finished_at and busy_until say when a run ended, not when its end was written', async () => {
  const execution = await startedAMinuteAgo()
  await settle(db(), [{ execution, outcome: success, endedAt: performance.now() - 20_000 }])
  const [row] = await db()`
    select extract(epoch from now() - e.finished_at)::float8 as ago, e.finished_at = s.busy_until as same
    from executions e join task_state s using (task_id)`
  expect(row).toEqual({ ago: expect.closeTo(20, -1), same: true })
})

test('a fixed delay is counted from the end of the run', async () => {
  const execution = await startedAMinuteAgo({ interval_mode: 'fixed_delay', interval_seconds: 100 })
  await settle(db(), [{ execution, outcome: success, endedAt: performance.now() - 20_000 }])
  expect((await tickOnly()).claims).toEqual([])
  const [task] = await db()`
    select extract(epoch from s.next_run_at - e.finished_at)::float8 as delay
    from executions e join task_state s using (task_id)`
  expect(task?.delay).toBeCloseTo(100, 1)
})

test('the backoff before a retry is counted from the end of the failed run', async () => {
  const execution = await startedAMinuteAgo()
  const outcome = {
    status: 'failed',
    errorCode: 'error',
    detail: 'no',
    retryable: true,
    retryInSeconds: 100,
  } as const
  await settle(db(), [{ execution, outcome, endedAt: performance.now() - 20_000 }])
  const [retry] = await db()`
    select extract(epoch from s.due_at - e.finished_at)::float8 as backoff
    from executions e join task_state s using (task_id)`
  expect(retry?.backoff).toBeCloseTo(100, 1)
})

test('the recorded end of a run is never too early, even if the transaction that settles it has to wait', async () => {
  await insertTask({ name: 'counter', type: 'counter', next_run_at: new Date() })
  await insertTask({ name: 'retries', next_run_at: new Date() })
  const { executions } = await startedClaim()
  await db()`update task_state set started_at = now() - interval '1 minute'`
  const failed = {
    status: 'failed',
    errorCode: 'error',
    detail: 'no',
    retryable: true,
    retryInSeconds: 100,
  } as const
  const [ended] = await db()<[{ at: Date }]>`select clock_timestamp() as at`
  const endedAt = performance.now()
  let settling: Promise<unknown> = Promise.resolve()
  await db().begin(async (tx) => {
    await tx`select from tasks where name = 'counter' for update`
    settling = settle(
      db(),
      executions.map((execution) => ({
        execution,
        outcome: execution.task.name === 'counter' ? success : failed,
        endedAt,
      })),
    )
    await statementsWaiting(1)
  })
  await settling
  const rows = await db()<{ finished_at: Date }[]>`select finished_at from executions`
  expect(rows).toHaveLength(2)
  for (const { finished_at } of rows) expect(finished_at.getTime()).toBeGreaterThanOrEqual(ended.at.getTime())
  const [retry] = await db()<[{ due_at: Date }]>`select due_at from task_state where status = 'queued'`
  expect(retry.due_at.getTime()).toBeGreaterThanOrEqual(ended.at.getTime() + 100_000)
})

test('a retry that is due soon requests a tick', async () => {
  const http = {
    type: 'http',
    params: { url: 'http://127.0.0.1:1/' },
    max_attempts: 2,
    retry_backoff_seconds: 1,
  }
  await insertTask({ ...http, schedule_type: 'once', interval_seconds: null, next_run_at: new Date() })
  const executor = newExecutor()
  let requested = 0
  executor.onDueSoon(60_000, () => {
    requested += 1
  })
  for (const claim of (await tickOnly()).claims) await executor.execute(claim, 60_000)
  expect(requested).toBe(1)
  expect(await db()`select attempt, status from task_state`).toEqual([{ attempt: 2, status: 'queued' }])
})

/**
 * Starts runs of `count` tasks. Returns functions to end a run and to wait until its ending is written. The settler
 * gathers endings for up to an hour.
 */
async function gathering(count: number) {
  for (let number = 1; number <= count; number += 1)
    await insertTask({ name: `task ${number}`, next_run_at: new Date() })
  const claim = await startedClaim()
  const watch = new Overdue(30)
  const heartbeat = new Heartbeat(db(), { leaseSeconds: 30, overdue: watch, givenUp: new GivenUp(db()) })
  const held = heartbeat.hold(claim, () => {})
  const written = new Map(claim.executions.map(({ id }) => [id, Promise.withResolvers<void>()]))
  const settled = ({ execution: { id } }: Ending) => written.get(id)?.resolve()
  const options = { pools: new SetPools(db(), db()), overdue: watch, gatherMs: 3_600_000 }
  const settler = new Settler(options, { settled, over: () => {} })
  const item = { claim: held, at: 0, mayBeStarted: false, share: undefined, slotSince: 0, beganAt: 0 }
  const rest = { before: undefined, after: undefined, lateReason: null }
  return {
    end(index: number, given: Partial<ClaimedExecution> = {}) {
      const execution = { ...claim.executions[index], ...given } as ClaimedExecution
      const ending = { execution, outcome: success, bytes: 2, endedAt: performance.now() }
      settler.add({ ...ending, item: { ...item, ...rest, execution } })
    },
    written: (index: number) => written.get(claim.executions[index]?.id ?? 0)?.promise,
    [Symbol.dispose]: () => heartbeat.forget(held),
  }
}

/** Returns how many endings each statement has written, in order. */
const byStatement = async (): Promise<number[]> => {
  const rows = await db()<{ count: number }[]>`
    select count(*)::int from executions group by xmin order by min(finished_at)`
  return rows.map(({ count }) => count)
}

test('the first ending is written immediately; later ones are gathered until one of them is urgent', async () => {
  using gathered = await gathering(4)
  gathered.end(0)
  await gathered.written(0)
  gathered.end(1)
  gathered.end(2)
  gathered.end(3, { trigger: 'manual' })
  await Promise.all([1, 2, 3].map(gathered.written))
  expect(await byStatement()).toEqual([1, 3])
})

test.each([
  ['its task is due again soon', { next_run_at: new Date() }],
  ['it ends a manual run', { trigger: 'rerun' }],
  ['it ends a second attempt', { attempt: 2 }],
])('an ending is urgent if %s', async (_why, given) => {
  using gathered = await gathering(2)
  gathered.end(0)
  await gathered.written(0)
  gathered.end(1, given)
  await gathered.written(1)
  expect(await byStatement()).toEqual([1, 1])
})

test('gathering stops once there are twenty endings', async () => {
  using gathered = await gathering(21)
  gathered.end(0)
  await gathered.written(0)
  for (let index = 1; index <= 20; index += 1) gathered.end(index)
  await gathered.written(20)
  expect(await byStatement()).toEqual([1, 20])
})

test('one statement starts what is due at about the same time, and each run begins when it is due', async () => {
  const rows: unknown[] = []
  await using target = await startTarget(async (response) => {
    rows.push(...(await db()`select status, xmin::text from task_state order by task_id`))
    response.end()
  })
  const http = { type: 'http', params: { url: target.url } }
  const firstAt = new Date(await nowPlus(0.5))
  const secondAt = new Date(firstAt.getTime() + 25)
  await insertTask({ name: 'first', ...http, next_run_at: firstAt })
  await insertTask({ name: 'second', ...http, next_run_at: secondAt })
  const [claim] = (await tickOnly(undefined, 5000)).claims
  if (!claim) throw new Error('nothing was claimed')
  await newExecutor().execute(claim, 60_000)
  const [first, second] = rows as { status: string; xmin: string }[]
  expect(first).toEqual({ status: 'running', xmin: expect.any(String) })
  expect(second).toEqual(first)
  for (const id of [1, 2]) {
    const [{ started_at, due_at } = {}] = await historyOf(id)
    expect(started_at?.getTime()).toBeGreaterThanOrEqual(due_at?.getTime() ?? 0)
  }
})

const early = { leadMs: () => 10, along: () => ({ most: 3, withinMs: 1000 }) }

test('the first item to fire takes along the items that are due soon after it, up to the limit', async () => {
  const fired: number[][] = []
  const { promise: done, resolve } = Promise.withResolvers<void>()
  const timer = new DueTimer<{ at: number }>((due) => {
    fired.push(due.map(({ at }) => Math.round(at - since)))
    if (fired.flat().length === 5) resolve()
  }, early)
  const since = performance.now() + 100
  timer.add([0, 50, 100, 150, 1500].map((at) => ({ at: since + at })))
  await done
  expect(fired).toEqual([[0, 50, 100], [150], [1500]])
})

test('items that are due together fire together, whatever the limit', async () => {
  const { promise: fired, resolve } = Promise.withResolvers<number>()
  const timer = new DueTimer<{ at: number }>((due) => resolve(due.length), early)
  const at = performance.now() + 50
  timer.add(Array.from({ length: 10 }, () => ({ at })))
  expect(await fired).toBe(10)
})
