import type { Fragment, Queryable } from '../db.ts'
import { cellsOf, packed, summed } from './cells.ts'
import { startOf } from './kept.ts'

/** The columns of the ledger row `e` that are counted. */
export const countedColumns = (sql: Queryable): Fragment => sql`
  e.task_id, e.status, e.skip_reason, e.skipped_count, e.due_at, e.started_at, e.finished_at`

/** Returns a stored row's cells plus those of the row that conflicts with it, for `on conflict do update`. */
const added = (sql: Queryable): Fragment => summed(sql, sql`(s.cells || excluded.cells)`)

/**
 * Returns the CTEs `minutes` to `totals`, which add the ledger rows of `counted` to the roll-up of all tasks. Rows are
 * written in the order of their keys, so that two deletions can't deadlock.
 */
export const addTotals = (sql: Queryable, counted: Fragment): Fragment => sql`
  minutes as (
    select ${startOf(sql, 'minute', sql`e.finished_at`)} as start, c.key, sum(c.n) as n
    from ${counted} e
    cross join lateral ${cellsOf(sql)}
    where c.key is not null
    group by 1, 2
  ),
  hours as (
    select ${startOf(sql, 'hour', sql`start`)} as start, key, sum(n) as n from minutes group by 1, 2
  ),
  days as (
    select ${startOf(sql, 'day', sql`start`)} as start, key, sum(n) as n from hours group by 1, 2
  ),
  totals as (
    insert into total_stats as s (width, start, cells)
    select width, start, ${packed(sql)}
    from (
      select 'day' as width, * from days
      union all
      select 'hour', * from hours
      union all
      select 'minute', * from minutes
    ) every_width
    group by width, start
    order by width, start
    on conflict (width, start) do update set cells = ${added(sql)}
  )`

/** Returns the CTE `tasks_days`, which adds the ledger rows of `counted` to the roll-up of each task. */
export const addTasks = (sql: Queryable, counted: Fragment): Fragment => sql`
  tasks_days as (
    insert into task_stats as s (task_id, day, cells)
    select task_id, day, ${packed(sql)}
    from (
      select e.task_id, (e.finished_at at time zone 'UTC')::date as day, c.key, sum(c.n) as n
      from ${counted} e
      cross join lateral ${cellsOf(sql)}
      where c.key is not null
      group by 1, 2, 3
    ) by_key
    group by task_id, day
    order by task_id, day
    on conflict (task_id, day) do update set cells = ${added(sql)}
  )`
