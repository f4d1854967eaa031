import { beforeEach, expect, test, vi } from 'vitest'
import { handler } from '../../../functions/metrics/get.ts'
import { counters, executor, watch } from '../../../functions/program.ts'
import { handler as ready } from '../../../functions/system/ready.ts'
import { db, probeDb } from '../../../shared/db.ts'
import { SharedValues } from '../../../shared/metrics/shared-values.ts'
import { call } from '../../setup/http-event.ts'
import { emptyTables, insertOpen, insertTask, nowPlus, statementsWaiting } from '../../setup/rows.ts'
import { expireLeases, startAll, tickAndRun, tickOnly } from '../../setup/scheduler.ts'

// Runs before the imports, which read the settings.
vi.hoisted(() => {
  process.env.METRICS_TASK_LABELS = 'chosen, "odd\\name"'
})

beforeEach(emptyTables)

const get = async () => await call(handler, { method: 'GET', path: '/metrics' })

/** Returns the values of this process by series, as in `name{labels}`. */
async function read(): Promise<Map<string, number>> {
  const { body } = await get()
  const lines = String(body)
    .split('\n')
    .filter((line) => /^\w/.test(line))
  return new Map(lines.map((line) => [line.replace(/ \S+$/, ''), Number(/ (\S+)$/.exec(line)?.[1])]))
}

const P = 'task_scheduler_'

/** Returns by how much each series has grown while `work` ran. Series that haven't are left out. */
async function gains(work: () => Promise<unknown>): Promise<Record<string, number>> {
  const before = await read()
  await work()
  const after = [...(await read())].map(([key, value]) => [key, value - (before.get(key) ?? 0)] as const)
  return Object.fromEntries(after.filter(([, gained]) => gained !== 0))
}

/** Runs what is due now, with this process's own executor. */
const runDue = async () => await tickAndRun(undefined, executor())

const dueSince = async (seconds: number, more = {}) =>
  await insertTask({ next_run_at: await nowPlus(-seconds), misfire_grace_seconds: 3600, ...more })

test('returns text in the format of Prometheus', async () => {
  const { statusCode, headers, body } = await get()
  expect([statusCode, headers?.['content-type']]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8'])
  expect(body).toMatch(/^# HELP task_scheduler_build_info .*\n# TYPE task_scheduler_build_info gauge\n/)
  expect(body).toMatch(
    /^task_scheduler_build_info\{version="[\d.]+",runtime="container",node_version="v24\.[\d.]+"\} 1$/m,
  )
  expect(body).toMatch(/^process_cpu_seconds_total [\d.]+$/m)
  expect(body).toMatch(/^nodejs_eventloop_lag_p99_seconds /m)
})

test('counts runs by type and outcome, with their lateness and duration', async () => {
  await dueSince(20, { name: 'sleeps', params: { duration: 0.02 } })
  await dueSince(20, { name: 'bad', params: { duration: 'long' } })
  const gained = await gains(runDue)
  expect(gained).toMatchObject({
    [`${P}executions_total{type="sleep",outcome="success"}`]: 1,
    [`${P}executions_total{type="sleep",outcome="failed"}`]: 1,
    [`${P}execution_lateness_seconds_bucket{type="sleep",le="30"}`]: 2,
    [`${P}execution_lateness_seconds_bucket{type="sleep",le="+Inf"}`]: 2,
    [`${P}execution_lateness_seconds_count{type="sleep"}`]: 2,
    [`${P}execution_duration_seconds_count{type="sleep"}`]: 2,
    [`${P}claims_total`]: 1,
    [`${P}executions_claimed_total`]: 2,
    [`${P}tick_duration_seconds_count`]: 1,
  })
  // Neither run was less than ten seconds late, and only the failure took less than five milliseconds.
  expect(gained).not.toHaveProperty([`${P}execution_lateness_seconds_bucket{type="sleep",le="10"}`])
  expect(gained[`${P}execution_lateness_seconds_sum{type="sleep"}`]).toBeGreaterThan(40)
  expect(gained[`${P}execution_duration_seconds_bucket{type="sleep",le="0.005"}`]).toBe(1)
})

test('labels runs with the task only if METRICS_TASK_LABELS names it', async () => {
  for (const name of ['chosen', 'other', '"odd\\name"']) await dueSince(1, { name, params: { duration: 0 } })
  expect(await gains(runDue)).toMatchObject({
    [`${P}executions_total{type="sleep",task="chosen",outcome="success"}`]: 1,
    [`${P}executions_total{type="sleep",task="\\"odd\\\\name\\"",outcome="success"}`]: 1,
    [`${P}executions_total{type="sleep",outcome="success"}`]: 1,
  })
  expect((await get()).body).not.toContain('other')
})

test('counts skipped occurrences by reason', async () => {
  await dueSince(250, { misfire_policy: 'skip', misfire_grace_seconds: 1 })
  const gained = await gains(runDue)
  expect(gained[`${P}occurrences_skipped_total{reason="misfire"}`]).toBeGreaterThanOrEqual(4)
})

test('counts what is lost, freed and paused after a worker went silent', async () => {
  await dueSince(1, { name: 'lost' })
  await dueSince(1, { name: 'killer', crash_limit: 0 })
  const { claims } = await tickOnly()
  for (const claim of claims) await startAll(claim)
  await dueSince(1, { name: 'freed' })
  await tickOnly()
  await expireLeases()
  expect(await gains(() => tickOnly())).toMatchObject({
    [`${P}executions_lost_total`]: 2,
    [`${P}executions_freed_total`]: 1,
    [`${P}tasks_paused_total`]: 1,
  })
})

test('counts executions that had no claim', async () => {
  await insertTask()
  await insertOpen('running')
  await db()`delete from claims`
  await db()`update sweep set due_at = 'epoch', next_page = 0`
  counters.repaired = 0
  const { memory } = await import('../../../functions/program.ts')
  memory.sweepAt = 0
  await tickOnly()
  expect((await read()).get(`${P}executions_repaired_total`)).toBe(1)
})

test('says what takes the slots while it runs', async () => {
  await dueSince(1, { params: { duration: 600 } })
  const running = runDue()
  await vi.waitFor(async () =>
    expect((await read()).get(`${P}slots_used{share="common",type="sleep"}`)).toBe(1),
  )
  const series = await read()
  expect(series.get(`${P}slots{share="common"}`)).toBe(56)
  expect(series.get(`${P}slots{share="kept"}`)).toBe(8)
  expect(series.get(`${P}executions_held`)).toBe(1)
  await executor().drain(0, AbortSignal.abort())
  await running
  expect((await read()).has(`${P}slots_used{share="common",type="sleep"}`)).toBe(false)
})

test('says when the last tick succeeded, and which duty is overdue', async () => {
  const before = Date.now() / 1000
  await tickOnly()
  expect((await read()).get(`${P}last_tick_timestamp_seconds`)).toBeGreaterThanOrEqual(before)
  watch().watch()
  watch().owe('settle', -5000)
  const series = await read()
  expect(series.get(`${P}duty_overdue_seconds{duty="settle"}`)).toBeGreaterThanOrEqual(5)
  expect(series.get(`${P}duty_overdue_seconds{duty="tick"}`)).toBe(0)
  watch().done('settle')
})

const valuesOf = async (shared = new SharedValues(db)) =>
  Object.fromEntries(
    (await shared.families()).flatMap(({ name, samples }) =>
      samples.map((it) => [
        [name.replace(P, ''), ...Object.values(it.labels)].join(' '),
        'value' in it ? it.value : null,
      ]),
    ),
  )

test('says what is due in the whole database, and for how long', async () => {
  await dueSince(100)
  await dueSince(50, { name: 'b' })
  await dueSince(50, { name: 'paused', paused_at: '2026-01-01T00:00:00Z' })
  await insertTask({ name: 'later' })
  const queued = await insertTask({ name: 'queued' })
  await insertOpen('queued', { task_id: queued })
  const values = await valuesOf()
  expect(values).toMatchObject({
    database_up: 1,
    'due_executions scheduled': 2,
    'due_executions queued': 1,
    open_claims: 0,
    workers: 0,
  })
  expect(values['oldest_due_age_seconds scheduled']).toBeGreaterThanOrEqual(100)
  expect(values['oldest_due_age_seconds scheduled']).toBeLessThan(200)
  expect(values['oldest_due_age_seconds queued']).toBeGreaterThan(1e6)
})

test('says 0 for an empty database', async () => {
  expect(await valuesOf()).toMatchObject({
    'due_executions scheduled': 0,
    'oldest_due_age_seconds scheduled': 0,
    'oldest_due_age_seconds queued': 0,
  })
})

test('counts at most 10,000 due executions', async () => {
  await db()`
    with t as (
      insert into tasks (name, type, schedule_type, interval_seconds)
      select 'task ' || i, 'sleep', 'interval', 60 from generate_series(1, 10001) i
      returning id, definition
    )
    insert into task_state (task_id, definition, next_run_at) select id, definition, now() from t`
  expect(await valuesOf()).toMatchObject({ 'due_executions scheduled': 10_000 })
})

test('reads the database once for many scrapes', async () => {
  let asked = 0
  const shared = new SharedValues(() => {
    asked += 1
    return db()
  })
  await Promise.all([valuesOf(shared), valuesOf(shared)])
  await valuesOf(shared)
  expect(asked).toBe(1)
})

test('the rest is there if the database cannot be read', async () => {
  const shared = new SharedValues(() => {
    throw new Error('no database')
  })
  expect(await valuesOf(shared)).toEqual({ database_up: 0 })
})

test('counts connections by pool and state', async () => {
  const values = await valuesOf()
  const own = Object.entries(values).filter(([key]) => key.startsWith('database_connections'))
  expect(own.map(([key]) => key)).toContain('database_connections requests active')
})

test('a slow read of the database does not delay health checks', async () => {
  const first = await db().begin(async (tx) => {
    await tx`lock table workers`
    const metrics = new SharedValues(probeDb).families().then(() => 'metrics')
    await statementsWaiting(1)
    const health = call(ready, { method: 'GET', path: '/readyz' }).then(({ statusCode }) => statusCode)
    return await Promise.race([metrics, health])
  })
  expect(first).toBe(200)
})
