import { beforeEach, expect, test } from 'vitest'
import { memory } from '../../functions/program.ts'
import { connect, type Database, db } from '../../shared/db.ts'
import { success } from '../../shared/runners/outcome.ts'
import { claimDue } from '../../shared/scheduling/claim/claim-due.ts'
import { settle } from '../../shared/scheduling/settle/settle.ts'
import { start } from '../../shared/scheduling/state/start.ts'
import { emptyTables, insertTask } from '../setup/rows.ts'

beforeEach(emptyTables)

const TASKS = 20_000

/** Makes one task due, and runs it. */
async function runOne(sql: Database): Promise<void> {
  await db()`update task_state set next_run_at = now() where task_id = 1`
  const options = {
    limit: 1,
    leaseSeconds: 15,
    clock: await memory.clock.read(db()),
    which: 'oldest' as const,
  }
  const { claims } = await claimDue(db(), memory, options).claimed
  const executions = claims.flatMap((claim) => claim.executions)
  expect(executions).toHaveLength(1)
  await start(
    sql,
    executions.map((execution) => ({ execution, inMs: 0 })),
  )
  const endings = executions.map((execution) => ({ execution, outcome: success({}) }))
  const done = claims.map(({ id }) => ({ id, ends: 1 }))
  const { ids } = await settle(sql, endings, done)
  expect(ids.size).toBe(1)
}

/** Returns how many rows this connection has read so far. */
async function rowsRead(sql: Database): Promise<number> {
  await sql`select pg_stat_force_next_flush()`
  const [row] = await sql<[{ rows: number }]>`
    select sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::float8 as rows from pg_stat_user_tables`
  return row.rows
}

test('plans that were cached while the tables were empty still find single rows by key once the tables are large', async () => {
  const sql = connect(process.env.DATABASE_URL ?? '', { max: 1, sets: 'small' })
  await insertTask()
  for (const table of ['tasks', 'task_state', 'claims', 'executions'])
    await db()`vacuum analyze ${db()(table)}`
  await runOne(sql)
  await db()`
    with t as (
      insert into tasks (name, type, schedule_type, interval_seconds)
      select 'task ' || i, 'sleep', 'interval', 3600 from generate_series(1, ${TASKS}::int) i
      returning id, definition
    )
    insert into task_state (task_id, definition, next_run_at) select id, definition, now() + interval '1 day' from t`
  const before = await rowsRead(sql)
  await runOne(sql)
  expect((await rowsRead(sql)) - before).toBeLessThan(TASKS / 10)
  await sql.end()
})
