import { beforeEach, expect, test } from 'vitest'
import { memory } from '../../functions/program.ts'
import { connect, type Database, db } from '../../shared/db.ts'
import { success } from '../../shared/runners/outcome.ts'
import { claimDue } from '../../shared/scheduling/claim/claim-due.ts'
import { settle } from '../../shared/scheduling/settle/settle.ts'
import { start } from '../../shared/scheduling/state/start.ts'
import { emptyTables } from '../setup/rows.ts'

beforeEach(emptyTables)

const RUNS = 500

async function insertDue(): Promise<void> {
  await db()`
    with t as (
      insert into tasks (name, type, schedule_type, interval_seconds, params)
      select 'task ' || i, 'sleep', 'interval', 3600, '{"duration": 0}' from generate_series(1, ${RUNS}::int) i
      returning id, definition
    )
    insert into task_state (task_id, definition, next_run_at) select id, definition, now() - interval '1 s' from t`
}

/** Makes the tasks due again, and clears their last runs so that no occurrence counts as an overlap. */
const dueAgain = () => db()`
  update task_state set next_run_at = now() - interval '1 s', busy_from = null, busy_until = null`

// Counts only this connection's WAL, since other connections write to the same server. Counts records rather than
// bytes, since the number of bytes depends on checkpoints. The benchmark measures bytes.
test('claiming, starting and settling a run writes fewer than twelve WAL records', async () => {
  await using pool = onlyConnection()
  const { sql } = pool
  await insertDue()
  const records: number[] = []
  for (let round = 0; round < 3; round += 1) {
    await dueAgain()
    const before = await walRecords(sql)
    await runAll(sql)
    records.push(((await walRecords(sql)) - before) / RUNS)
  }
  expect(await db()`select count(*)::int as n from executions where status = 'success'`).toEqual([
    { n: 3 * RUNS },
  ])
  expect(await db()`select from claims`).toEqual([])
  // New pages, page pruning and hint bits add records now and then. The lowest count shows what a run itself writes.
  expect(Math.min(...records)).toBeLessThan(12)
})

async function runAll(sql: Database): Promise<void> {
  const options = {
    limit: RUNS,
    leaseSeconds: 15,
    clock: await memory.clock.read(sql),
    which: 'oldest' as const,
  }
  const { claims } = await claimDue(sql, memory, options).claimed
  const executions = claims.flatMap((claim) => claim.executions)
  expect(executions).toHaveLength(RUNS)
  const starting = executions.map((execution) => ({ execution, inMs: 0 }))
  await start(sql, starting)
  const endings = executions.map((execution) => ({ execution, outcome: success({ slept_seconds: 0 }) }))
  const ended = claims.map(({ id }) => ({ id, ends: RUNS }))
  await settle(sql, endings, ended)
}

function onlyConnection() {
  const sql = connect(process.env.DATABASE_URL ?? '', { max: 1, sets: 'any' })
  return { sql, [Symbol.asyncDispose]: () => sql.end() }
}

async function walRecords(sql: Database): Promise<number> {
  await sql`select pg_stat_force_next_flush()`
  const [row] = await sql<[{ records: number }]>`
    select wal_records::float8 as records from pg_stat_get_backend_wal(pg_backend_pid())`
  return row.records
}
