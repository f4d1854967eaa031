import '../setup/doctor.ts'
import { beforeEach, expect, test } from 'vitest'
import { memory } from '../../functions/program.ts'
import { connect, type Database, db, limitsOf } from '../../shared/db.ts'
import { loadClaim } from '../../shared/scheduling/claim/load-claim.ts'
import { Overdue } from '../../shared/scheduling/health/overdue.ts'
import { Executor } from '../../shared/scheduling/run/executor.ts'
import { GivenUp } from '../../shared/scheduling/run/given-up.ts'
import { Heartbeat } from '../../shared/scheduling/run/heartbeat.ts'
import { Settler } from '../../shared/scheduling/run/settler.ts'
import { SetPools } from '../../shared/set-pools.ts'
import { emptyTables, insertTask, nowPlus, statementsWaiting } from '../setup/rows.ts'
import {
  expireLeases,
  historyOf,
  newExecutor,
  startAll,
  tickAndRun,
  tickOnly,
  until,
} from '../setup/scheduler.ts'

beforeEach(emptyTables)

const DUE = new Date('2027-03-10T00:00:00.400Z')
const NO_LIMIT_MS = 3_600_000
const options = { leaseSeconds: 30, defaultTimeoutSeconds: 30, maxRunning: 10 }

/** Returns the text of a statement, with its fragments inserted and a space in place of each value. */
function textOf(strings: unknown, parts: unknown[]): string {
  if (!Array.isArray(strings)) return ''
  return strings.map((text, index) => `${text}${textOfPart(parts[index])}`).join('')
}

const textOfPart = (part: unknown): string =>
  part !== null && typeof part === 'object' && 'strings' in part && 'args' in part && Array.isArray(part.args)
    ? textOf(part.strings, part.args)
    : ' '

/** Returns a database that loses the response to the first statement that matches `begins` and contains `text`. */
function losing(text: string, begins = /^\s*(with|update)/): Database {
  let lost = false
  return new Proxy(db(), {
    apply(target, self, args: Parameters<Database>) {
      const answer = Reflect.apply(target, self, args)
      const statement = textOf(args[0], args.slice(1))
      if (lost || !begins.test(statement) || !statement.includes(text)) return answer
      lost = true
      return answer.then(() => {
        throw Object.assign(new Error('the connection is gone'), { code: 'CONNECTION_CLOSED' })
      })
    },
  })
}

async function claimOne() {
  const [claim] = (await tickOnly(DUE)).claims
  if (!claim) throw new Error('nothing was claimed')
  return claim
}

test('if the response to a start is lost, repeating the start succeeds, and the execution runs', async () => {
  await insertTask({ params: { duration: 0 } })
  await new Executor(losing("set status = 'running'"), options).execute(await claimOne(), NO_LIMIT_MS)
  expect(await historyOf(1)).toMatchObject([{ status: 'success', attempt: 1 }])
})

test('if the response to a start is lost and the claim is not exclusive, the execution is lost and requeued', async () => {
  await insertTask({ params: { duration: 0 } })
  const claim = { ...(await claimOne()), isExclusive: false }
  await new Executor(losing("set status = 'running'"), options).execute(claim, NO_LIMIT_MS)
  expect(await historyOf(1)).toMatchObject([{ status: 'running', attempt: 1 }])
  await expireLeases()
  await tickAndRun(DUE)
  expect((await historyOf(1)).map(({ status }) => status)).toEqual(['lost', 'success'])
  expect(await db()`select from claims`).toEqual([])
})

test('a settlement whose response is lost is not written twice', async () => {
  await insertTask({ type: 'sleep', params: { duration: 0 } })
  await new Executor(losing('busy_until = greatest', /^\s*with/), options).execute(
    await claimOne(),
    NO_LIMIT_MS,
  )
  expect(await historyOf(1)).toMatchObject([{ status: 'success' }])
})

test('if a shutdown fails to free executions, it tries again', async () => {
  await insertTask({ params: { duration: 0 }, next_run_at: await nowPlus(20) })
  const [claim] = (await tickOnly(new Date(Date.now() + 10_000))).claims
  expect(claim).toBeUndefined()
  await db()`update task_state set next_run_at = now() + interval '5 s'`
  const claims = (await tickOnly(undefined, 10_000)).claims
  const executor = new Executor(losing('unheld_due_at = s.due_at'), options)
  const work = claims.map((it) => executor.execute(it, NO_LIMIT_MS))
  await executor.drain(0, new AbortController().signal)
  await Promise.all(work)
  expect(await db()`select status, claim_id from task_state`).toEqual([{ status: 'queued', claim_id: null }])
})

test('a claim delivered to two workers is kept until the worker that runs it finishes', async () => {
  await insertTask({ params: { duration: 0.3 }, next_run_at: await nowPlus(-1) })
  const [claim] = (await tickOnly()).claims
  if (!claim) throw new Error('nothing was claimed')
  const { id, executions } = claim
  const taskIds = executions.map((it) => it.task_id)
  const [first, second] = await Promise.all(
    [1, 2].map(() => loadClaim(db(), memory, { claimId: id, taskIds }, 30)),
  )
  if (!first || !second) throw new Error('the claim was not loaded')
  const running = newExecutor().execute(first, NO_LIMIT_MS)
  await until(async () => (await historyOf(1))[0]?.status === 'running')
  await newExecutor().execute(second, NO_LIMIT_MS)
  expect(await db()`select id from claims`).toEqual([{ id }])
  await running
  expect(await historyOf(1)).toMatchObject([{ status: 'success' }])
  expect(await db()`select from claims`).toEqual([])
})

test('if the database rejects the settlement of an execution, the execution still ends and does not hold up others', async () => {
  await insertTask({ params: { duration: 0 } })
  await insertTask({ name: 'b', params: { duration: 0 } })
  const claim = await claimOne()
  // Simulates a bug: the ledger already has a row for this execution.
  await db()`
    insert into executions (task_id, scheduled_for, due_at, status, started_at, finished_at, attempt)
    values (1, '2027-03-10T00:00:00Z', now(), 'success', now(), now(), 1)`
  await newExecutor().execute(claim, NO_LIMIT_MS)
  expect(await historyOf(2)).toMatchObject([{ status: 'success' }])
  await expireLeases()
  await tickAndRun(DUE)
  expect(await db()`select from task_state where status is not null`).toEqual([])
})

test('if the database rejects an outcome, a failure with the error is recorded instead', async () => {
  await insertTask({ params: { duration: 0 } })
  const claim = await claimOne()
  await db()`alter table executions add constraint rejects check (result is null or status = 'lost') not valid`
  try {
    await newExecutor().execute(claim, NO_LIMIT_MS)
  } finally {
    await db()`alter table executions drop constraint rejects`
  }
  const detail = expect.stringContaining('its outcome could not be written: ')
  expect(await historyOf(1)).toMatchObject([{ status: 'failed', detail, result: null }])
})

test('an execution that runs again after being handed back keeps the busy_from of its first start', async () => {
  await insertTask({ interval_seconds: 10, params: { duration: 3600 }, next_run_at: await nowPlus(-1) })
  const executor = newExecutor()
  const work = (await tickOnly()).claims.map((claim) => executor.execute(claim, NO_LIMIT_MS))
  await until(async () => (await historyOf(1))[0]?.status === 'running')
  await executor.drain(0, new AbortController().signal)
  await Promise.all(work)
  const [before] = await db()<[{ busy_from: Date }]>`select busy_from from task_state`
  const again = newExecutor()
  const more = (await tickOnly()).claims.map((claim) => again.execute(claim, NO_LIMIT_MS))
  await until(async () => (await historyOf(1))[0]?.status === 'running')
  expect(await db()`select busy_from from task_state`).toEqual([before])
  await again.drain(0, new AbortController().signal)
  await Promise.all(more)
})

test('leases are renewed even while task_state is locked for longer than a lease', async () => {
  await insertTask({ params: { duration: 3600 } })
  const sql = connect(process.env.DATABASE_URL ?? '', { max: 1, limits: limitsOf(1.5) })
  const executor = new Executor(sql, { ...options, leaseSeconds: 1.5 })
  const work = executor.execute(await claimOne(), NO_LIMIT_MS)
  const beaten = () => db()`select from claims where lease_expires_at < now() + interval '2 s'`
  await until(async () => (await beaten()).length === 1)
  await db().begin(async (tx) => {
    await tx`lock table task_state in access exclusive mode`
    const [{ since }] = await tx<[{ since: Date }]>`select now() as since`
    const renewed = () =>
      db()`select from claims where lease_expires_at > ${since}::timestamptz + interval '4.5 s'`
    await until(async () => (await renewed()).length === 1)
  })
  expect(await historyOf(1)).toMatchObject([{ status: 'running', attempt: 1 }])
  await executor.drain(0, AbortSignal.abort())
  await work
  await sql.end()
})

test('once the last claim is done, a failed renewal does not stop the process from claiming', async () => {
  await insertTask()
  const claim = await claimOne()
  const sql = connect(process.env.DATABASE_URL ?? '', { max: 1, name: 'beats' })
  const watch = new Overdue(1)
  const heartbeat = new Heartbeat(sql, { leaseSeconds: 1, overdue: watch, givenUp: new GivenUp(db()) })
  const failed = new Promise((resolve) => {
    watch.failed = (_, error) => resolve(error)
  })
  await db().begin(async (tx) => {
    await tx`select from claims for update`
    const held = heartbeat.hold({ ...claim, since: performance.now() }, () => {})
    await statementsWaiting(1)
    heartbeat.forget(held)
    await db()`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name = 'task-scheduler beats'`
    await failed
  })
  expect(heartbeat.isCutOff).toBe(false)
  await sql.end()
})

test('large results are split across several statements, and all of them are written', async () => {
  const count = 100
  const result = { text: 'x'.repeat(90_000) }
  for (let number = 0; number < count; number += 1) await insertTask({ name: `task ${number}` })
  const claim = await claimOne()
  await startAll(claim)
  const watch = new Overdue(30)
  const heartbeat = new Heartbeat(db(), { leaseSeconds: 30, overdue: watch, givenUp: new GivenUp(db()) })
  const held = heartbeat.hold({ ...claim, executions: [] }, () => {})
  const written = await new Promise<boolean[]>((resolve) => {
    const all: boolean[] = []
    const ended = (_: unknown, written: boolean) => {
      if (all.push(written) === count) resolve(all)
    }
    const options = { pools: new SetPools(db(), db()), overdue: watch }
    const settler = new Settler(options, { settled: ended, over: () => {} })
    const given = {
      claim: held,
      at: 0,
      beganAt: 0,
      lateReason: null,
      share: undefined,
      slotSince: 0,
      before: undefined,
      after: undefined,
    }
    for (const execution of claim.executions) {
      const item = { ...given, execution, mayBeStarted: false }
      settler.add({ execution, outcome: { status: 'success', result }, bytes: 90_000, endedAt: 0, item })
    }
  })
  heartbeat.forget(held)
  expect(written).toEqual(Array(count).fill(true))
  const [row] = await db()`
    select count(*)::int, count(distinct xmin::text)::int as statements from executions where length(result::text) > 90000`
  expect(row?.count).toBe(count)
  expect(row?.statements).toBeGreaterThan(1)
})
