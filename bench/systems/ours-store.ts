import type { Sql } from 'postgres'
import type { Database } from '../../shared/db.ts'
import type { Seed } from './settings.ts'

/** Fills and reads the product's tables, for all rows except fairness. */

let seeded = 0

/** Inserts the tasks. Recurring tasks are always due, since the `fire_all` policy runs missed occurrences. */
export async function seedTasks(sql: Database, seed: Seed): Promise<void> {
  const { count, firstMs, stepMs, recurring, holdMs } = seed
  seeded += 1
  await sql.begin(async (tx) => {
    await tx`set local statement_timeout = 0`
    await tx`
      with made as (
        insert into tasks (name, type, schedule_type, interval_seconds, misfire_policy, params)
        select 'bench-' || ${`${process.pid}-${seeded}`}::text || '-' || i, 'sleep',
        ${recurring ? 'interval' : 'once'}, ${recurring ? 1 : null}::int,
        ${recurring ? 'fire_all' : 'fire_once'}, jsonb_build_object('duration', ${holdMs / 1000}::float8)
        from generate_series(0, ${count - 1}::int) i
        returning id, definition
      )
      insert into task_state (task_id, definition, next_run_at)
      select id, definition, to_timestamp((${firstMs}::float8 + round((row_number() over (order by id) - 1) * ${stepMs}::float8)) / 1000)
      from made`
  })
}

/**
 * For tasks that recur every second: how many milliseconds ago they were first due. With the `fire_all` policy, only
 * the latest 100 missed occurrences run, and the rest become skipped rows. A task that was first due 35 s ago can fall
 * behind by another minute before occurrences are skipped.
 */
export const ALWAYS_DUE_SINCE_MS = 35_000

/** Returns the number of successful runs. */
export async function countRuns(sql: Sql): Promise<number> {
  const [row] = await sql<[{ runs: number }]>`
    select count(*)::int as runs from executions where status = 'success'`
  return row.runs
}

/** Inserts `perTask` finished executions of each task, a minute apart. */
export async function fillHistory(sql: Sql, perTask: number): Promise<void> {
  await sql`
    insert into executions (task_id, scheduled_for, due_at, status, started_at, finished_at, result)
    select t.id, at, at, 'success', at, at + interval '2 ms', '{"slept_seconds": 0}'
    from tasks t, generate_series(1, ${perTask}::int) i, lateral (select now() - make_interval(mins => i) as at) past`
  await sql`vacuum analyze executions`
}
