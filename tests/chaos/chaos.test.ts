import { setTimeout as delay } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { db } from '../../shared/db.ts'
import { findViolations } from '../setup/violations.ts'
import { audit } from './audit.ts'
import { type Replica, startReplica } from './replica.ts'
import { startTarget, type Target } from './target.ts'

/** CHAOS_SEED repeats an earlier run's random choices, but not its process timing. CHAOS_SECONDS sets the duration. */
const seed = Number(process.env.CHAOS_SEED ?? Math.floor(Math.random() * 2 ** 31))
const seconds = Number(process.env.CHAOS_SECONDS ?? 12)
const choices = fc.sample(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), {
  seed,
  numRuns: 10_000,
})
const random = (): number => choices.pop() ?? 0

const TASKS = 60
const REPLICAS = 2
const LEASE_SECONDS = 2

let target: Target
let replicas: Replica[] = []

const start = (): Promise<Replica> =>
  startReplica(process.env.DATABASE_URL ?? '', {
    LEASE_SECONDS: String(LEASE_SECONDS),
    TICK_INTERVAL_MS: '300',
    SHUTDOWN_GRACE_SECONDS: '2',
    LOG_LEVEL: 'CRITICAL',
  })

beforeAll(async () => {
  target = await startTarget(50)
  replicas = await Promise.all(Array.from({ length: REPLICAS }, start))
})

afterAll(async () => {
  await Promise.all(replicas.map((replica) => replica.kill()))
  target.close()
})

/** Inserts `counter`, `sleep` and `http` tasks with all policies. All tasks are due now. */
async function insertTasks(): Promise<void> {
  const kinds = [
    { type: 'counter', params: {} },
    { type: 'sleep', params: { duration: 0.7 } },
    { type: 'http', params: { url: target.url } },
  ]
  for (let index = 0; index < TASKS; index += 1) {
    const kind = kinds[index % kinds.length]
    await db()`
      insert into tasks ${db()({
        name: `chaos ${index}`,
        type: kind?.type,
        params: db().json(kind?.params ?? {}),
        schedule_type: 'interval',
        interval_seconds: 1 + (index % 4),
        overlap_policy: index % 5 === 0 ? 'queue' : 'skip',
        misfire_policy: ['fire_once', 'skip', 'fire_all'][index % 7] ?? 'fire_once',
        misfire_grace_seconds: 2,
        crash_limit: 1000,
      })}`
  }
  await db()`update tasks set start_at = date_trunc('second', now())`
  await db()`insert into task_state (task_id, definition, next_run_at) select id, definition, start_at from tasks`
}

/** Kills or stops a replica and starts a new one, or cuts connections to the database. */
async function disturb(): Promise<void> {
  const index = Math.floor(random() * replicas.length)
  const what = random()
  if (what < 0.3) {
    await db()`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid() and pid % 2 = ${Math.floor(random() * 2)}`
    return
  }
  const replica = replicas[index]
  if (what < 0.8) await replica?.kill()
  else expect(await replica?.stop()).toBe(0)
  replicas[index] = await start()
}

test('the ledger keeps its promises despite crashes', { timeout: 120_000 + seconds * 1000 }, async () => {
  console.log(`chaos: CHAOS_SEED=${seed}`)
  await insertTasks()
  const end = performance.now() + seconds * 1000
  while (performance.now() < end) {
    await delay(200 + random() * 800)
    await disturb()
  }
  await settled()
  expect(await Promise.all(replicas.map((replica) => replica.stop()))).toEqual(replicas.map(() => 0))
  const promises = await audit(db(), target.calls)
  expect(promises).toEqual(Object.fromEntries(Object.keys(promises).map((promise) => [promise, []])))
  expect(await findViolations(LEASE_SECONDS)).toEqual([])
  const [{ successes }] = await db()<[{ successes: number }]>`
    select count(distinct task_id)::int as successes from all_executions where status = 'success'`
  expect(successes).toBe(TASKS)
})

/** Resolves once no claims of dead replicas are left and every task has succeeded. */
async function settled(): Promise<void> {
  const quiet = () => db()`
    select from whole_tasks t
    where not exists (select from all_executions e where e.task_id = t.id and e.status = 'success')
      or exists (select from claims where lease_expires_at < now())`
  while ((await quiet()).length > 0) await delay(100)
}
