import { afterAll, beforeAll, expect, test } from 'vitest'
import { send } from '../conformance/client.ts'
import type { Runtime } from '../conformance/runtime.ts'
import { eventually } from '../setup/eventually.ts'
import { createTestDatabase } from '../setup/test-database.ts'
import { startContainer } from './container.ts'
import { checkLedger } from './ledger.ts'

const API_KEY = 'a key that only tests use'
const LEASE_SECONDS = 3
const COUNTERS = 20
const SLEEPS = 9

let database: Awaited<ReturnType<typeof createTestDatabase>>
let replicas: Runtime[]

beforeAll(async () => {
  database = await createTestDatabase()
  const env = {
    API_KEY,
    DATABASE_URL: database.url,
    TICK_INTERVAL_MS: '200',
    LEASE_SECONDS: String(LEASE_SECONDS),
  }
  replicas = await Promise.all([1, 2, 3].map(() => startContainer(env)))
})

afterAll(async () => {
  await Promise.all((replicas ?? []).map((replica) => replica.kill()))
  await database?.drop()
})

async function post(path: string, body: object): Promise<void> {
  const [first] = replicas
  if (!first) throw new Error('no replica is running')
  const headers = { 'x-api-key': API_KEY, 'content-type': 'application/json' }
  const answer = await send(first.url, { method: 'POST', path, headers, body: JSON.stringify(body) })
  expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(300)
}

/** Returns the ids of the executions for which a replica has logged the message. */
function logged(replica: Runtime, message: string): number[] {
  const lines = replica.log().split('\n')
  return lines
    .filter((line) => line.includes(`"message":"${message}"`))
    .map((line) => JSON.parse(line).execution_id)
}

test('three replicas share the work and recover the executions of a killed replica', async () => {
  const soon = Date.now() + 1500
  for (let n = 0; n < COUNTERS; n += 1) {
    // The tasks are spread over a second, so that each replica's ticks claim some of them.
    const next_run_at = new Date(soon + (n * 1000) / COUNTERS).toISOString()
    const counter = { type: 'counter', schedule_type: 'interval', interval_seconds: 1 }
    await post('/tasks', { name: `counter ${n}`, ...counter, next_run_at })
  }
  await eventually(() => {
    for (const replica of replicas) expect(logged(replica, 'execution ended').length).toBeGreaterThan(10)
  }, 30)

  for (let n = 0; n < SLEEPS; n += 1) {
    const next_run_at = new Date(Date.now() + 500 + (n * 1000) / SLEEPS).toISOString()
    const sleep = { type: 'sleep', schedule_type: 'once', params: { duration: 5 } }
    await post('/tasks', { name: `sleep ${n}`, ...sleep, next_run_at })
  }
  const sleeping = async (): Promise<number[]> => {
    const rows = await database.sql<{ id: number }[]>`
      select e.id from all_executions e join whole_tasks t on t.id = e.task_id where t.type = 'sleep' and e.status = 'running'`
    return rows.map(({ id }) => id)
  }
  await eventually(async () => expect(await sleeping()).toHaveLength(SLEEPS), 5)
  const asleep = await sleeping()
  // The first replica stays alive, because the test sends its requests there.
  const victim = replicas
    .slice(1)
    .find((replica) => logged(replica, 'execution started').some((id) => asleep.includes(id)))
  if (!victim) throw new Error('neither the second nor the third replica is running a sleep task')
  await victim.stop('SIGKILL')
  const ended = logged(victim, 'execution ended')
  const held = logged(victim, 'execution started').filter((id) => !ended.includes(id))
  const cut = asleep.filter((id) => held.includes(id))
  expect(cut.length).toBeGreaterThan(0)

  const lostRows = await eventually(async () => {
    const rows = await database.sql<{ id: number; repaired: string | null }[]>`
      select lost.id, next.status as repaired
      from all_executions lost
      left join all_executions next on next.task_id = lost.task_id and next.scheduled_for = lost.scheduled_for
        and next.attempt = lost.attempt + 1
      where lost.status = 'lost'`
    expect(rows.filter(({ id }) => cut.includes(id))).toHaveLength(cut.length)
    for (const { repaired } of rows) expect(repaired).toBe('success')
    return rows
  }, 30)
  const others = replicas.filter((it) => it !== victim).flatMap((it) => logged(it, 'execution started'))
  for (const { id } of lostRows)
    expect(others, 'the surviving replicas did not lose executions').not.toContain(id)

  await post('/tasks/pause?all=true', {})
  await eventually(async () => {
    const open = await database.sql`select from all_executions where status in ('queued', 'running')`
    expect(open).toHaveLength(0)
  }, 30)
  await checkLedger(database.sql)
})
