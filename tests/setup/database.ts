import { randomBytes } from 'node:crypto'
import postgres, { type Sql } from 'postgres'
import type { TestProject } from 'vitest/node'
import { migrate } from '../../infra/migrations/migrate.ts'
import { connect, type Database, LONG_LIMITS } from '../../shared/db.ts'
import { databaseUrl } from './database-url.ts'
import { findPostgres } from './find-postgres.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /**
     * `url`: the server on which databases are created. `prefix`: the prefix of every database name in this test run.
     * Databases with this prefix are dropped at the end. `template`: the migrated database to clone.
     */
    testDatabase: { url: string; prefix: string; template: string }
  }
}

/** Creates one migrated database per test run. Every test file clones it. */
export default async function setup(project: TestProject) {
  const server = await findPostgres()
  const admin = postgres(server.url, { max: 1, fetch_types: false, onnotice: () => {} })
  const prefix = `test_${randomBytes(6).toString('hex')}`
  const template = `${prefix}_template`
  const teardown = async () => {
    try {
      await dropAll(admin, prefix)
    } finally {
      await admin.end()
      await server.stop()
    }
  }
  try {
    const [{ version }] = await admin<
      [{ version: string }]
    >`select current_setting('server_version') as version`
    console.log(`tests: PostgreSQL ${version.split(' ')[0]} ${server.kind}`)
    await makeTemplate(admin, server.url, template)
  } catch (error) {
    await teardown().catch(() => {})
    throw error
  }
  project.provide('testDatabase', { url: server.url, prefix, template })
  return teardown
}

async function makeTemplate(admin: Sql, url: string, template: string) {
  await admin`create database ${admin(template)}`
  const sql = connect(databaseUrl(url, template), { max: 2, limits: LONG_LIMITS })
  try {
    await migrate(sql)
    await createViews(sql)
  } finally {
    await sql.end()
  }
  // A database can't be cloned while a session is connected to it, so connections are forbidden.
  await admin`alter database ${admin(template)} allow_connections false`
}

/** Creates the views that tests query: tasks with their state, and all executions, open or ended. */
async function createViews(sql: Database) {
  await sql`
    create view whole_tasks as
    select t.*, s.next_run_at, s.run_queued_at, s.runs, s.consecutive_failures, s.paused_at, s.paused_until, s.pause_reason
    from tasks t join task_state s on s.task_id = t.id`
  await sql`
    create view all_executions as
    select id, task_id, scheduled_for, attempt, trigger, status, due_at, null::uuid as claim_id, started_at, finished_at,
      cancel_requested_at, rerun_of, detail, error_code, result, late_reason, skip_reason, skipped_until, skipped_count
    from executions
    union all
    select execution_id, task_id, scheduled_for, attempt, trigger, status, due_at, claim_id, case status when 'running' then started_at end, null,
      cancel_requested_at, rerun_of, null, null, null, null, null, null, null
    from task_state where status is not null`
}

async function dropAll(admin: Sql, prefix: string) {
  const made = await admin<{ datname: string }[]>`
    select datname
    from pg_database
    where starts_with(datname, ${`${prefix}_`})`
  for (const { datname } of made) await admin`drop database if exists ${admin(datname)} with (force)`
}
