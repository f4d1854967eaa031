import type * as z from 'zod'
import { type Fragment, type Queryable, wasTooSlow } from '../db.ts'
import { AppError, notFound } from '../errors.ts'
import { countedColumns } from './add.ts'
import { cellsOf, packed, unpacked } from './cells.ts'
import { startOf } from './kept.ts'
import { notedRows, type RollUpName } from './late-settlements.ts'
import {
  type Bucket,
  type Scope,
  type Stats,
  type statsQuery,
  toStats,
  type Window,
  windowOf,
} from './stats.ts'

type Found = { exists: boolean; kept: Bucket[] | null; fresh: Bucket[] | null }

/**
 * Returns the statistics of a window: what is rolled up, and from there on what is in the ledger. One statement reads
 * both, so that nothing is missed or counted twice while a step of the roll-ups commits. Throws `invalid`, `not_found`,
 * and `unavailable` while too much of the ledger still has to be counted.
 */
export async function getStats(sql: Queryable, query: z.output<typeof statsQuery>): Promise<Stats> {
  const window = windowOf(query)
  const { scope } = window
  const [{ exists, kept, fresh }] = await read(sql, window)
  if (!exists && scope !== 'all' && 'taskId' in scope) throw notFound('task', scope.taskId)
  return toStats(window, [...(kept ?? []), ...(fresh ?? [])])
}

async function read(sql: Queryable, window: Window): Promise<[Found]> {
  const { scope } = window
  const kept = scope === 'all' ? keptTotals(sql, window) : keptTasks(sql, window, scope)
  try {
    return await sql<[Found]>`
      select ${existing(sql, scope)} as exists,
        (select json_agg(json_build_array(round(date_part('epoch', start) * 1000), cells)) from (${kept}) k) as kept,
        (select json_agg(json_build_array(round(date_part('epoch', start) * 1000), cells)) from (${fresh(sql, window)}) f) as fresh`
  } catch (error) {
    if (!wasTooSlow(error)) throw error
    const message =
      'the statistics took too long: ask for a shorter window, or wait until the ledger is counted'
    throw new AppError('unavailable', message, { retryAfterSeconds: 30, cause: error })
  }
}

const existing = (sql: Queryable, scope: Scope): Fragment =>
  scope !== 'all' && 'taskId' in scope
    ? sql`exists (select from tasks where id = ${scope.taskId})`
    : sql`true`

const keptTotals = (sql: Queryable, { from, to, bucket }: Window): Fragment => sql`
  select start, cells
  from total_stats
  where width = ${bucket} and start >= ${from}::timestamptz and start < ${to}::timestamptz`

const keptTasks = (sql: Queryable, { from, to }: Window, scope: Exclude<Scope, 'all'>): Fragment => {
  const days = sql`s.day >= ${from}::timestamptz::date and s.day < ${to}::timestamptz::date`
  if ('taskId' in scope) {
    return sql`select s.day as start, s.cells from task_stats s where s.task_id = ${scope.taskId} and ${days}`
  }
  return sql`
    select day as start, ${packed(sql)} as cells
    from (
      select s.day, cells.key, sum(cells.n::float8) as n
      from tasks t
      join task_stats s on s.task_id = t.id
      cross join lateral ${unpacked(sql, sql`s.cells`)}
      where t.tags @> array[${scope.tag}] and ${days}
      group by s.day, cells.key
    ) by_key
    group by day`
}

/** Returns what ended in the window and isn't rolled up yet, in the ledger's rows. */
function fresh(sql: Queryable, { from, to, bucket, scope }: Window): Fragment {
  const name: RollUpName = scope === 'all' ? 'totals' : 'tasks'
  const until =
    scope === 'all' ? sql`(select totals_until from roll_up)` : sql`(select tasks_until from roll_up)`
  const isMeant = whichTasks(sql, scope)
  return sql`
    select start, ${packed(sql)} as cells
    from (
      select ${startOf(sql, bucket, sql`e.finished_at`)} as start, c.key, sum(c.n) as n
      from (
        select ${countedColumns(sql)}
        from executions e
        where e.finished_at >= greatest(${from}::timestamptz, ${until}) and e.finished_at < ${to}::timestamptz
          and ${isMeant}
        union all
        select ${countedColumns(sql)}
        from ${notedRows(sql, sql`late_settlements where roll_up = ${name}`)}
        where e.finished_at < ${until} and e.finished_at >= ${from}::timestamptz and e.finished_at < ${to}::timestamptz
          and ${isMeant}
      ) e
      cross join lateral ${cellsOf(sql)}
      where c.key is not null
      group by 1, 2
    ) by_key
    group by start`
}

function whichTasks(sql: Queryable, scope: Scope): Fragment {
  if (scope === 'all') return sql`true`
  if ('taskId' in scope) return sql`e.task_id = ${scope.taskId}`
  return sql`e.task_id in (select t.id from tasks t where t.tags @> array[${scope.tag}])`
}
