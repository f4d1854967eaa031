import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { connect, type Database, db } from '../../shared/db.ts'
import { rerun } from '../../shared/executions/run-now.ts'
import { failed, success } from '../../shared/runners/outcome.ts'
import { undoLosses } from '../../shared/scheduling/repair/undo-losses.ts'
import { settle } from '../../shared/scheduling/settle/settle.ts'
import { TickMemory, tick } from '../../shared/scheduling/tick/tick.ts'
import { getStats } from '../../shared/stats/get.ts'
import { Pace, rollUp } from '../../shared/stats/roll-up.ts'
import { type Stats, statsQuery } from '../../shared/stats/stats.ts'
import { deleteTasks } from '../../shared/tasks/delete.ts'
import { eventually } from '../setup/eventually.ts'
import { countAll, countFrom, stepOn } from '../setup/roll-ups.ts'
import { emptyTables, insertExecution, insertTask, nowPlus, statementsWaiting } from '../setup/rows.ts'
import { expireLeases, startAll, tickAndRun, tickOnly } from '../setup/scheduler.ts'

/** Everything that was ever written to the ledger. Deletions don't reach it. */
beforeAll(async () => {
  await db().unsafe(`
    create table written as select * from executions;
    create function write_down() returns trigger language plpgsql as $$
      begin insert into written select new.*; return null; end
    $$;
    create trigger write_down after insert on executions for each row execute function write_down()`)
})

beforeEach(async () => {
  await emptyTables()
  await db()`delete from written`
  await countFrom(await nowPlus(-3 * 86_400))
})

const DAYS = 30 * 86_400_000
const stats = (query: object = {}) => getStats(db(), statsQuery.parse(query))
const byDay = (query: object = {}) =>
  stats({ bucket: 'day', from: new Date(Date.now() - DAYS).toISOString(), ...query })

type Entry = {
  task_id: number
  status: string
  skip_reason: string | null
  skipped_count: number | null
  due_at: Date
  started_at: Date | null
  finished_at: Date
}

/** Counts ledger rows the slow and plain way. */
function recount(rows: Entry[], width: 'minute' | 'hour' | 'day'): Map<string, object> {
  const length = { minute: 16, hour: 13, day: 10 }[width]
  const groups = Map.groupBy(rows, (it) => it.finished_at.toISOString().slice(0, length))
  return new Map([...groups].map(([start, group]) => [start, countsOf(group)]))
}

function countsOf(group: Entry[]) {
  const runs = { success: 0, failed: 0, timeout: 0, lost: 0, cancelled: 0 }
  const skipped = { overlap: 0, misfire: 0, paused: 0, ended: 0 }
  for (const { status, skip_reason, skipped_count } of group) {
    if (status in runs) runs[status as keyof typeof runs] += 1
    else skipped[skip_reason as keyof typeof skipped] += skipped_count ?? 0
  }
  const started = group.filter((it) => it.started_at !== null)
  const late = started.map((it) => Math.max(0, Number(it.started_at) - Number(it.due_at)))
  const duration = started
    .filter((it) => it.status !== 'lost')
    .map((it) => Number(it.finished_at) - Number(it.started_at))
  return { runs, skipped, duration_ms: nearestRanks(duration), late_ms: nearestRanks(late) }
}

function nearestRanks(values: number[]) {
  const sorted = values.toSorted((a, b) => a - b)
  if (sorted.length === 0) return null
  const at = (percent: number) => sorted[Math.ceil((sorted.length * percent) / 100) - 1]
  const near = (it = 0) => new Near(it)
  return { p50: near(at(50)), p95: near(at(95)), p99: near(at(99)) }
}

/** A percentile that equals every number within 5% of it. */
class Near {
  readonly value: number

  constructor(value: number) {
    this.value = value
  }

  asymmetricMatch(other: unknown): boolean {
    return typeof other === 'number' && Math.abs(other - this.value) <= this.value * 0.05
  }

  toString(): string {
    return `within 5% of ${this.value}`
  }
}

const shown = (found: Stats, length: number) =>
  new Map(found.buckets.map(({ start, ...numbers }) => [start.toISOString().slice(0, length), numbers]))

/** Compares all statistics with what the rows say that were ever written, of tasks that still exist or of all. */
async function expectExact(): Promise<void> {
  const rows = await db()<Entry[]>`select * from written`
  for (const [bucket, length] of [
    ['minute', 16],
    ['hour', 13],
    ['day', 10],
  ] as const) {
    const from = { minute: 86_400_000, hour: DAYS, day: DAYS }[bucket]
    const since = new Date(Date.now() - from).toISOString()
    const whole = `${since.slice(0, length)}${'0000-01-01T00:00:00.000Z'.slice(length)}`
    const inWindow = rows.filter((it) => it.finished_at.toISOString() >= whole)
    const found = await stats({ bucket, from: since })
    expect(shown(found, length)).toEqual(recount(inWindow, bucket))
    expect(found.totals).toEqual(countsOf(inWindow))
  }
  for (const { id } of await db()<{ id: number }[]>`select id from tasks`) {
    const own = rows.filter((it) => it.task_id === id)
    expect(shown(await byDay({ task_id: String(id) }), 10)).toEqual(recount(own, 'day'))
  }
  const tagged = await db()<{ id: number }[]>`select id from tasks where tags @> '{even}'`
  const ids = new Set(tagged.map(({ id }) => id))
  const ofTag = rows.filter((it) => ids.has(it.task_id))
  expect(shown(await byDay({ tag: 'even' }), 10)).toEqual(recount(ofTag, 'day'))
}

/** Writes many ledger rows of a task, spread over the last two days. */
const insertMany = (taskId: number, count: number) => db()`
  insert into executions (task_id, scheduled_for, due_at, status, started_at, finished_at, skip_reason, skipped_until, skipped_count)
  select ${taskId}, at - i * interval '1 us', at, status,
    case when status <> 'skipped' then at + random() * random() * interval '1 min' end,
    at + interval '1 min' + random() * random() * interval '2 hours',
    case when status = 'skipped' then (array['overlap', 'misfire', 'paused', 'ended'])[1 + i % 4] end,
    case when status = 'skipped' then at end, case when status = 'skipped' then 1 + i % 7 end
  from generate_series(1, ${count}::int) i,
    lateral (select now() - random() * interval '40 hours' - interval '3 hours' + i * interval '0' as at) a,
    lateral (select (array['success', 'success', 'failed', 'timeout', 'lost', 'cancelled', 'skipped'])[1 + i % 7] as status) s
  on conflict do nothing`

describe('counts are exact', () => {
  test('before, while and after the ledger is rolled up', async () => {
    const [a, b] = [await insertTask(), await insertTask({ name: 'b', tags: '{even}' })]
    await insertMany(a, 400)
    await insertMany(b, 300)
    await expectExact()
    const pace = new Pace()
    for (let step = 0; step < 12; step += 1) {
      await db()`update roll_up set due_at = 'epoch'`
      await rollUp(db(), pace, { tasksMs: 0 })
      if (step % 4 === 0) await expectExact()
    }
    await stepOn()
    await expectExact()
  })

  test('after old rows are deleted', async () => {
    const id = await insertTask({ tags: '{even}' })
    await insertMany(id, 300)
    await stepOn()
    await db()`delete from executions where finished_at < (select tasks_until from roll_up) - interval '10 hours'`
    await expectExact()
    await db()`delete from executions where finished_at < (select tasks_until from roll_up)`
    await expectExact()
  })

  test('of all tasks after one is deleted, whether its runs had been counted or not', async () => {
    const ids = [await insertTask(), await insertTask({ name: 'b' }), await insertTask({ name: 'c' })]
    for (const id of ids) await insertMany(id, 200)
    await stepOn()
    for (const id of ids) await insertExecution(await nowPlus(-1), { task_id: id, result: null })
    expect(await deleteTasks(db(), [1])).toEqual([1])
    await expectExact()
    await countAll()
    await expectExact()
    await deleteTasks(db(), [2])
    expect(await db()`select distinct task_id from task_stats`).toEqual([{ task_id: 3 }])
    await expectExact()
  })

  test('of a task that is deleted while a step counts: the deletion waits', async () => {
    await insertTask()
    await insertExecution(await nowPlus(-1), { result: null })
    await using other = oneConnection()
    const deleted = await other.sql.begin(async (tx) => {
      await tx`select from roll_up for update`
      const deletion = deleteTasks(db(), [1])
      await statementsWaiting(1)
      expect(await tx`select count(*) as n from executions`).toEqual([{ n: 1 }])
      return { deletion }
    })
    expect(await deleted.deletion).toEqual([1])
    await expectExact()
  })

  test('of a rerun, a lost run that turns out to be blameless, and skips', async () => {
    const DUE = new Date('2027-03-10T00:00:00.400Z')
    await insertTask({ params: { duration: 0 } })
    const [claim] = (await tickOnly(DUE)).claims
    if (!claim) throw new Error('nothing was claimed')
    await startAll(claim)
    await expireLeases()
    await tickAndRun(DUE)
    await countAll()
    await expectExact()
    const [lost] = claim.executions
    await undoLosses(db(), { claimIds: [claim.id], executionIds: [lost?.id ?? 0] })
    await rerun(db(), lost?.id ?? 0)
    await tickAndRun(new Date('2027-03-10T00:00:00.500Z'))
    await tickAndRun(new Date('2027-03-10T05:00:00.400Z'))
    await expectExact()
    await countAll()
    await expectExact()
    const { runs, skipped } = (await byDay()).totals
    expect(runs).toMatchObject({ lost: 1, success: 3 })
    expect(skipped.misfire).toBeGreaterThan(200)
  })
})

/** Starts a run of task 1 that began three hours ago. Returns its execution. */
async function startLongAgo() {
  const [claim] = (await tickOnly(new Date('2027-03-10T00:00:00Z'))).claims
  const [execution] = claim?.executions ?? []
  if (!claim || !execution) throw new Error('nothing was claimed')
  await startAll(claim)
  await db()`update task_state set started_at = now() - interval '3 hours', due_at = now() - interval '3 hours'`
  return execution
}

describe('a settlement that is written long after its run ended', () => {
  test.for([
    ['success', () => success({ slept_seconds: 1 })],
    ['failed', () => failed('error', 'it broke', { retryable: false })],
  ] as const)('is counted once: %s', async ([, outcome]) => {
    await insertTask({ tags: '{even}' })
    const execution = await startLongAgo()
    await countAll()
    const endedAt = performance.now() - 3_600_000
    await settle(db(), [{ execution, outcome: outcome(), endedAt }])
    const [row] =
      await db()`select finished_at < (select totals_until from roll_up) as is_late from executions`
    expect(row).toEqual({ is_late: true })
    await expectExact()
    await countAll()
    expect(await db()`select from late_settlements`).toEqual([])
    await expectExact()
  })

  test('is counted once if the roll-ups had not passed it', async () => {
    await insertTask({ tags: '{even}' })
    const execution = await startLongAgo()
    await settle(db(), [{ execution, outcome: success({}), endedAt: performance.now() - 3_600_000 }])
    await expectExact()
    await countAll()
    await expectExact()
    await insertMany(1, 10)
    await countAll()
    expect((await byDay()).totals.runs.success).toBeLessThan(11)
  })

  test('is counted once if its task is deleted first', async () => {
    await insertTask()
    const execution = await startLongAgo()
    await countAll()
    await settle(db(), [{ execution, outcome: success({}), endedAt: performance.now() - 3_600_000 }])
    await deleteTasks(db(), [1])
    await countAll()
    await expectExact()
    expect((await byDay()).totals.runs.success).toBe(1)
  })

  test('is not noted if it is written at once', async () => {
    await insertTask()
    const execution = await startLongAgo()
    await settle(db(), [{ execution, outcome: success({}), endedAt: performance.now() - 5_000 }])
    expect(await db()`select from late_settlements`).toEqual([])
  })
})

describe('transactions that are still open', () => {
  test('hold the roll-ups back until they end', async () => {
    const id = await insertTask()
    await using other = oneConnection()
    const { promise: mayCommit, resolve: commit } = Promise.withResolvers<void>()
    const { promise: written, resolve: hasWritten } = Promise.withResolvers<void>()
    const writing = other.sql.begin(async (tx) => {
      await tx`
        insert into executions (task_id, scheduled_for, due_at, status, started_at, finished_at)
        select ${id}, at, at, 'success', at, at from (select now() - interval '5 min' as at) a`
      hasWritten()
      await mayCommit
    })
    await written
    await stepOn()
    const [before] = await db()`select totals_until < now() - interval '2 days' as waits from roll_up`
    await stepOn()
    const [after] = await db()`select totals_until < now() - interval '2 days' as waits from roll_up`
    commit()
    await writing
    expect([before, after]).toEqual([{ waits: true }, { waits: true }])
    // Transactions in other tests' databases count too, since all databases of a server share their ids.
    await eventually(async () => {
      await stepOn()
      const [row] = await db()`select totals_until > now() - interval '3 min' as is_through from roll_up`
      expect(row).toEqual({ is_through: true })
    })
    await expectExact()
  })

  test('that are older than ten minutes are not waited for', async () => {
    const through = () => db()`select totals_until > now() - interval '12 min' as is_through from roll_up`
    for (const [minutes, is_through] of [
      [9, false],
      [11, true],
    ] as const) {
      await db()`
        update roll_up
        set final_until = now() - make_interval(mins => ${minutes}), final_after = '9223372036854775807'`
      await stepOn()
      expect(await through()).toEqual([{ is_through }])
    }
  })
})

describe('one step', () => {
  test('does nothing while another replica counts', async () => {
    await insertTask()
    await insertMany(1, 20)
    await stepOn()
    await using other = oneConnection()
    await db()`update roll_up set due_at = 'epoch'`
    await other.sql.begin(async (tx) => {
      await tx`select from roll_up for update`
      expect(await rollUp(db(), new Pace())).toBeGreaterThan(0)
    })
  })

  test('does not delay the tick that starts it', async () => {
    await using other = oneConnection()
    const memory = new TickMemory()
    const idle = { capacity: async () => ({ now: 0, ahead: 0 }), send: async () => {} }
    await other.sql.begin(async (tx) => {
      await tx`lock table total_stats`
      await tick(db(), idle, memory, { leaseSeconds: 30 })
      await statementsWaiting(1)
      await tick(db(), idle, memory, { leaseSeconds: 30 })
    })
    await memory.rolledUp
    expect(memory.rollUpAt).toBeGreaterThan(performance.now())
    expect(await db()`select from roll_up where due_at > now()`).toHaveLength(1)
  })

  test('counts for each task too, although the totals always find something new', async () => {
    await countAll()
    const began = await nowPlus(-86_400)
    await db()`update roll_up set tasks_until = ${began}`
    const pace = new Pace()
    for (let i = 0; i < 3; i += 1) {
      await db()`update roll_up set due_at = 'epoch'`
      expect(await rollUp(db(), pace, { finalSeconds: 0 })).toBe(0)
    }
    const [row] =
      await db()`select tasks_until > ${began}::timestamptz as has_moved, tasks_until < totals_until as is_behind from roll_up`
    expect(row).toEqual({ has_moved: true, is_behind: true })
  })

  test('counts a limited part of a dense ledger', async () => {
    await insertTask()
    await insertMany(1, 1)
    const pace = new Pace()
    for (let i = 0; i < 2; i += 1) pace.tooSlow()
    expect(pace.span('totals', 50_000, 0)).toBe(Math.floor(50_000 / 16))
    pace.counted('totals', 100_000, 1000)
    expect(pace.span('totals', 50_000, 0)).toBe(500)
    pace.counted('totals', 0, 1000)
    expect(pace.span('totals', 50_000, 0)).toBe(2000)
    // The tasks' part isn't known yet. What the totals have found just after it isn't less dense.
    expect(pace.span('tasks', 50_000, 60_000)).toBe(2000)
    pace.counted('tasks', 500_000, 1000)
    expect([pace.span('tasks', 50_000, 60_000), pace.span('totals', 50_000, 0)]).toEqual([100, 2000])
  })

  test('counts few rows where a dense part follows an empty one', async () => {
    const id = await insertTask()
    await insertMany(id, 300)
    await db()`update roll_up set final_until = now() - interval '1 min', final_after = '3'`
    const pace = new Pace()
    for (let i = 0; i < 20; i += 1) pace.counted('totals', 0, 1000)
    await rollUp(db(), pace, { rows: { totals: 10, tasks: 10 } })
    const [row] = await db()`
      select count(*) as n from executions where finished_at < (select totals_until from roll_up)`
    expect(row?.n).toBeLessThanOrEqual(20)
    await stepOn(pace)
    await expectExact()
  })

  test('passes a year without runs in few steps, although the ledger is dense where the totals have come to', async () => {
    const id = await insertTask()
    await insertExecution(await nowPlus(-7200), { task_id: id, result: null })
    await db()`
      update roll_up set totals_until = now() + interval '1 hour', tasks_until = now() - interval '400 days'`
    const pace = new Pace()
    pace.counted('totals', 1_000_000, 1000)
    for (let step = 0; step < 15; step += 1) {
      await db()`update roll_up set due_at = 'epoch'`
      await rollUp(db(), pace)
    }
    expect(await db()`select from roll_up where tasks_until > now() - interval '3 hours'`).toHaveLength(1)
  })

  test('removes what is older than it is kept', async () => {
    const ages = {
      minute: ['47 hours', '50 hours'],
      hour: ['89 days', '91 days'],
      day: ['399 days', '402 days'],
    }
    for (const [width, [kept, old]] of Object.entries(ages)) {
      for (const age of [kept ?? '', old ?? '']) {
        await db()`
          insert into total_stats values (${width}, date_trunc(${width}, now() - ${age}::interval), '{}')`
      }
    }
    await db()`
      insert into task_stats
      select i, (now() - a.age)::date, '{}' from generate_series(1, 5) i, (values (interval '399 days'), ('402 days')) a (age)`
    await stepOn()
    expect(await db()`select width from total_stats order by width`).toEqual([
      { width: 'day' },
      { width: 'hour' },
      { width: 'minute' },
    ])
    expect(await db()`select count(*) as n from task_stats where day > now() - interval '400 days'`).toEqual([
      { n: 5 },
    ])
    expect(await db()`select count(*) as n from task_stats`).toEqual([{ n: 5 }])
  })
})

test('stays exact while runs end, tasks are deleted and several replicas count, all at once', async () => {
  for (let i = 1; i <= 12; i += 1)
    await insertTask({ name: `task ${i}`, ...(i % 2 === 0 && { tags: '{even}' }) })
  const done = new AbortController()
  const counting = [1, 2, 3].map(async () => {
    const pace = new Pace()
    while (!done.signal.aborted) {
      await db()`update roll_up set due_at = 'epoch'`
      await rollUp(db(), pace, { tasksMs: 0, finalSeconds: 0 })
    }
  })
  const writing = Array.from({ length: 12 }, async (_, i) => {
    for (let round = 0; round < 5; round += 1) {
      // As a settlement does it: under the lock of the task's state, and once the runs have ended.
      await db().begin(async (tx) => {
        const locked = await tx`select from task_state where task_id = ${i + 1} for no key update`
        if (locked.length === 0) return
        await tx`
          insert into executions (task_id, scheduled_for, due_at, status, started_at, finished_at)
          select ${i + 1}, clock_timestamp() - n * interval '1 s', now(), 'success', now(), statement_timestamp()
          from generate_series(1, 100) n`
      })
    }
    if (i % 3 === 0) await deleteTasks(db(), [i + 1])
  })
  await Promise.all(writing)
  done.abort()
  await Promise.all(counting)
  await expectExact()
  await countAll()
  await expectExact()
  expect((await byDay()).totals.runs.success).toBe(12 * 5 * 100)
})

function oneConnection(): { sql: Database } & AsyncDisposable {
  const sql = connect(process.env.DATABASE_URL ?? '', { max: 1 })
  return { sql, [Symbol.asyncDispose]: () => sql.end() }
}
