import { setTimeout as delay } from 'node:timers/promises'
import type { Database } from '../../shared/db.ts'
import { audit } from '../chaos/audit.ts'
import { type Replica, startReplica } from '../chaos/replica.ts'
import { startTarget } from '../chaos/target.ts'
import { CERTIFICATE, startLink } from '../setup/link.ts'
import { createTestDatabase } from '../setup/test-database.ts'
import { findViolations } from '../setup/violations.ts'
import type { Fault } from './faults.ts'

/** Findings after a fault: the number of rows that violate each promise, and how long recovery took. */
export type Report = {
  fault: string
  executions: number
  stranded: number
  overlapping: number
  doubled: number
  missing: number
  'wrongly paused': number
  lost: number
  'recovered after s': number
  warnings: number
  broken: Record<string, readonly unknown[]>
}

const TASKS = 30

/** Causes a fault while real processes run tasks. Returns the findings once the processes have recovered. */
export async function runFault(fault: Fault, leaseSeconds: number): Promise<Report> {
  const database = await createTestDatabase()
  const link = await startLink(database.url, { tls: fault.tls === true })
  const target = await startTarget(50)
  const replicas: Replica[] = []
  try {
    await insertTasks(database.sql, target.url, fault.crashLimit)
    const start = () => startReplica(link.url, { ...SETTINGS, LEASE_SECONDS: String(leaseSeconds) })
    replicas.push(...(await Promise.all(Array.from({ length: fault.replicas }, start))))
    await allRunSince(database.sql, '1970-01-01')
    const [{ since }] = await database.sql<[{ since: string }]>`select now()::text as since`
    const before = replicas.flatMap(({ warnings }) => warnings).length
    await fault.happen({ link, replicas, leaseSeconds })
    const over = performance.now()
    const [{ at }] = await database.sql<[{ at: string }]>`select now()::text as at`
    await allRunSince(database.sql, at)
    const seconds = (performance.now() - over) / 1000
    await Promise.all(replicas.map((replica) => replica.stop()))
    const calls = fault.isFrozen
      ? target.calls.filter((call) => Math.abs(call.until - over) > 1000)
      : target.calls
    const broken = await audit(database.sql, fault.isFrozen ? [] : calls)
    const violations = await findViolations(leaseSeconds, database.url)
    const [counts] = await database.sql<[{ executions: number; lost: number; doubled: number }]>`
      select count(*)::int as executions, (count(*) filter (where status = 'lost' and finished_at > ${since}::text::timestamptz))::int as lost,
        (select count(*)::int from (
          select from executions where status = 'success' and trigger = 'schedule'
          group by task_id, scheduled_for having count(*) > 1
        ) twice) as doubled
      from executions where status <> 'skipped'`
    return {
      fault: fault.name,
      executions: counts.executions,
      stranded: violations.length,
      overlapping: (broken.overlapping?.length ?? 0) + (broken['calls that overlap']?.length ?? 0),
      doubled: counts.doubled,
      missing: broken.unaccounted?.length ?? 0,
      'wrongly paused': broken['paused themselves']?.length ?? 0,
      lost: counts.lost,
      'recovered after s': Math.round(seconds * 10) / 10,
      warnings: replicas.flatMap(({ warnings }) => warnings).length - before,
      broken: Object.fromEntries(
        Object.entries({ ...broken, violations }).filter(
          ([what, rows]) => rows.length > 0 && !(fault.isFrozen && what === 'successes without a call'),
        ),
      ),
    }
  } finally {
    await Promise.all(replicas.map((replica) => replica.kill()))
    link.close()
    target.close()
    await database.drop()
  }
}

const SETTINGS = {
  NODE_EXTRA_CA_CERTS: CERTIFICATE,
  TICK_INTERVAL_MS: '500',
  SHUTDOWN_GRACE_SECONDS: '3',
  LOG_LEVEL: 'WARN',
}

/** Inserts `counter` and `http` tasks, short sleeps, and sleeps that last for most of a two-second lease. */
async function insertTasks(sql: Database, url: string, crashLimit: number): Promise<void> {
  const kinds = [
    { type: 'counter', params: {} },
    { type: 'http', params: { url } },
    { type: 'sleep', params: { duration: 0.4 } },
    { type: 'sleep', params: { duration: 1.7 } },
  ]
  for (let index = 0; index < TASKS; index += 1) {
    const kind = kinds[index % kinds.length]
    await sql`
      insert into tasks ${sql({
        name: `task ${index}`,
        type: kind?.type,
        params: sql.json(kind?.params ?? {}),
        schedule_type: 'interval',
        interval_seconds: 1 + (index % 3),
        misfire_policy: 'fire_once',
        crash_limit: crashLimit,
      })}`
  }
  await sql`update tasks set start_at = date_trunc('second', now())`
  await sql`
    insert into task_state (task_id, definition, next_run_at) select id, definition, start_at from tasks`
}

/** Resolves once every task has run successfully after `since` and no claim has an expired lease. */
async function allRunSince(sql: Database, since: string): Promise<void> {
  const missing = () => sql`
    select t.id from tasks t
    where not exists (
      select from executions e where e.task_id = t.id and e.status = 'success' and e.started_at > ${since}::text::timestamptz
    )
    union all
    select cardinality(task_ids) from claims where lease_expires_at < now()`
  while ((await missing()).length > 0) await delay(100)
}
