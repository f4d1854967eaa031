import { hostname } from 'node:os'
import { beforeEach, expect, test } from 'vitest'
import { memory, presence } from '../../../functions/program.ts'
import { handler } from '../../../functions/workers/list.ts'
import manifest from '../../../package.json' with { type: 'json' }
import { db } from '../../../shared/db.ts'
import { Presence } from '../../../shared/workers/presence.ts'
import { INSTANT } from '../../setup/expected.ts'
import { call } from '../../setup/http-event.ts'
import { emptyTables, insertOpen, insertTask } from '../../setup/rows.ts'
import { startAll, tickOnly } from '../../setup/scheduler.ts'

beforeEach(emptyTables)

const list = async () => (await call(handler, { method: 'GET', path: '/workers' })).body

const other = '9f1c3c0e-5b3a-4b8e-9d0f-000000000001'

/** Writes another worker's row, last seen this many seconds ago. */
const insertWorker = (secondsAgo: number, id = other) => db()`
  insert into workers (id, version, runtime, host, slots, started_at, last_seen_at)
  values (${id}, '0.0.1', 'lambda', 'b', 10, '2020-01-01', now() - make_interval(secs => ${secondsAgo}))`

/** Returns a presence that writes its row at each `during`. */
const freshPresence = (sql = db) =>
  new Presence(sql, { id: memory.workerId, version: '1', runtime: 'container', host: 'a', slots: 1 })

test('lists this process with its version, its slots and its last tick', async () => {
  await presence().during(async () => {})
  expect(await list()).toEqual([
    {
      id: memory.workerId,
      version: manifest.version,
      runtime: 'container',
      host: hostname(),
      started_at: INSTANT,
      last_seen_at: INSTANT,
      last_tick_at: null,
      slots: 64,
      running: 0,
      executions: [],
    },
  ])
  const ticked = freshPresence()
  ticked.ticked()
  await ticked.during(async () => {})
  expect(await list()).toMatchObject([{ id: memory.workerId, last_tick_at: INSTANT }])
})

test('lists what each worker runs, oldest first, but not what it has only claimed', async () => {
  await insertWorker(0)
  await freshPresence().during(async () => {})
  const due = new Date('2027-03-10T00:00:00Z')
  for (const name of ['one', 'two']) await insertTask({ name })
  await insertTask({ name: 'claimed', next_run_at: '2027-03-10T00:00:01Z' })
  const { claims } = await tickOnly(due)
  for (const claim of claims) await startAll(claim)
  await tickOnly(new Date('2027-03-10T00:00:01Z'))
  const row = (task_id: number, task_name: string) => ({
    id: task_id,
    task_id,
    task_name,
    started_at: INSTANT,
  })
  expect(await list()).toMatchObject([
    { id: other, running: 0, executions: [] },
    { id: memory.workerId, running: 2, executions: [row(1, 'one'), row(2, 'two')] },
  ])
})

test('an execution whose claim has moved to another worker is listed there', async () => {
  await insertWorker(0)
  await freshPresence().during(async () => {})
  await insertTask()
  await insertOpen('running')
  await db()`update claims set worker_id = ${other}`
  expect(await list()).toMatchObject([
    { id: other, running: 1, executions: [{ task_id: 1, task_name: 'a' }] },
    { id: memory.workerId, running: 0 },
  ])
})

test('a claim without an owner, as older versions write it, has no worker', async () => {
  await freshPresence().during(async () => {})
  await insertTask()
  await insertOpen('running')
  expect(await list()).toMatchObject([{ id: memory.workerId, running: 0, executions: [] }])
})

test('lists at most 100 executions of a worker, and counts them all', async () => {
  await insertWorker(0)
  for (let index = 0; index < 101; index += 1) await insertTask({ name: `task ${index}` })
  await db()`
    update task_state set status = 'running', execution_id = nextval('execution_ids'), scheduled_for = now(), due_at = now(),
      attempt = 1, trigger = 'schedule', started_at = now() - task_id * interval '1 s', claim_id = ${other}`
  await db()`
    insert into claims (id, lease_expires_at, task_ids, worker_id)
    select ${other}, now() + interval '1 hour', array_agg(task_id), ${other}::uuid from task_state`
  const [worker] = await list()
  expect([worker.running, worker.executions.length]).toEqual([101, 100])
  expect(worker.executions[0]).toMatchObject({ task_id: 101 })
})

test('lists at most 1,000 workers', async () => {
  await db()`
    insert into workers (id, version, runtime, host, slots, started_at)
    select gen_random_uuid(), '1', 'lambda', 'b', 10, now() from generate_series(1, 1001)`
  expect(await list()).toHaveLength(1000)
})

test('a worker that has not been seen for 30 seconds is left out, and its row is removed after 10 minutes', async () => {
  await insertWorker(31)
  expect(await list()).toEqual([])
  await freshPresence().during(async () => {})
  expect(await db()`select id from workers where id = ${other}`).toHaveLength(1)
  await db()`update workers set last_seen_at = now() - interval '601 s'`
  // Its own row is as old, as after a long freeze on Lambda.
  await freshPresence().during(async () => {})
  expect(await list()).toMatchObject([{ id: memory.workerId }])
  expect(await db()`select id from workers`).toEqual([{ id: memory.workerId }])
})

test('writes one row however often work begins', async () => {
  const here = freshPresence()
  await here.during(async () => {})
  await db()`delete from workers`
  await here.during(async () => {})
  expect(await list()).toEqual([])
})

test('a process that stops removes its row, and does not write it again', async () => {
  const here = freshPresence()
  here.begin()
  await here.leave()
  await here.during(async () => {})
  expect(await db()`select from workers`).toEqual([])
})

test('work goes on if the row cannot be written', async () => {
  const broken = freshPresence(() => {
    throw new Error('no database')
  })
  expect(await broken.during(async () => 'done')).toBe('done')
})
