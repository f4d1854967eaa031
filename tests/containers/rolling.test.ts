import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { send } from '../conformance/client.ts'
import type { Runtime } from '../conformance/runtime.ts'
import { eventually } from '../setup/eventually.ts'
import { createTestDatabase } from '../setup/test-database.ts'
import { startContainer } from './container.ts'
import { checkLedger } from './ledger.ts'

const API_KEY = 'a key that only tests use'
const COUNTERS = 20
const LOAD_PAUSE_MS = 20

let database: Awaited<ReturnType<typeof createTestDatabase>>
const started: Runtime[] = []

beforeAll(async () => {
  database = await createTestDatabase()
})

afterAll(async () => {
  await Promise.all(started.map((replica) => replica.kill()))
  await database?.drop()
})

async function start(): Promise<Runtime> {
  const settings = { TICK_INTERVAL_MS: '200', SHUTDOWN_GRACE_SECONDS: '10' }
  const replica = await startContainer({ API_KEY, DATABASE_URL: database.url, ...settings })
  started.push(replica)
  return replica
}

async function post(replica: Runtime | undefined, path: string, body: object): Promise<number> {
  if (!replica) throw new Error('no replica is serving')
  const headers = { 'x-api-key': API_KEY, 'content-type': 'application/json' }
  const { status } = await send(replica.url, { method: 'POST', path, headers, body: JSON.stringify(body) })
  return status
}

test('replacing every replica under load neither loses nor duplicates a run', async () => {
  /** The replicas that a load balancer would use: they are ready and aren't shutting down. */
  let serving = [await start(), await start()]
  const soon = Date.now() + 1000
  for (let n = 0; n < COUNTERS; n += 1) {
    const next_run_at = new Date(soon + (n * 1000) / COUNTERS).toISOString()
    const task = { type: 'counter', schedule_type: 'interval', interval_seconds: 1 }
    expect(await post(serving[0], '/tasks', { name: `counter ${n}`, ...task, next_run_at })).toBe(201)
  }

  let replacing = true
  const statuses: number[] = []
  const load = async (): Promise<void> => {
    const task = { type: 'sleep', schedule_type: 'once', params: { duration: 1.5 } }
    for (let n = 0; replacing; n += 1) {
      const next_run_at = new Date().toISOString()
      statuses.push(
        await post(serving[n % serving.length], '/tasks', { name: `sleep ${n}`, ...task, next_run_at }),
      )
      await wait(LOAD_PAUSE_MS)
    }
  }
  const replaceAll = async (): Promise<void> => {
    try {
      for (const old of serving) {
        const fresh = await start()
        serving = [...serving.filter((it) => it !== old), fresh]
        expect(await old.stop('SIGTERM')).toBe(0)
      }
    } finally {
      replacing = false
    }
  }
  await Promise.all([load(), replaceAll()])

  expect(new Set(statuses)).toEqual(new Set([201]))
  await eventually(async () => {
    const unfinished = await database.sql`
      select from whole_tasks t
      where t.type = 'sleep' and not exists (select from all_executions e where e.task_id = t.id and e.status = 'success')`
    expect(unfinished).toHaveLength(0)
  }, 30)
  expect(await post(serving[0], '/tasks/pause?all=true', {})).toBe(200)
  await eventually(async () => {
    const open = await database.sql`select from all_executions where status in ('queued', 'running')`
    expect(open).toHaveLength(0)
  }, 30)
  expect(await database.sql`select from all_executions where status = 'lost' or attempt > 1`).toHaveLength(0)
  await checkLedger(database.sql)
})
