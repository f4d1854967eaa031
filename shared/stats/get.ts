import type * as z from 'zod'
import { type Database, type Fragment, type Queryable, wasTooSlow } from '../db.ts'
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

/**
 * Returns the statistics of a window: what is rolled up, and from there on what is in the ledger. Throws `invalid`,
 * `not_found`, and `unavailable` while too much of the ledger still has to be counted, or if too many tasks have the
 * tag.
 */
export async function getStats(sql: Database, query: z.output<typeof statsQuery>): Promise<Stats> {
  const window = windowOf(query)
  const { scope } = window
  try {
    // One snapshot for all statements, so that nothing is missed or counted twice while a step of the roll-ups commits.
    const found = await sql.begin('isolation level repeatable read read only', async (tx) => {
      if (scope !== 'all' && 'taskId' in scope) await requireTask(tx, scope.taskId)
      return await read(tx, window)
    })
    return toStats(window, found)
  } catch (error) {
    if (!wasTooSlow(error)) throw error
    const reason = await whySlow(sql, scope)
    throw new AppError('unavailable', reason, { retryAfterSeconds: 30, cause: error })
  }
}

/** How far the roll-up of each task is behind at most, in minutes, if the ledger has been counted. Usually 11. */
const COUNTED_MINUTES = 30

async function whySlow(sql: Database, scope: Scope): Promise<string> {
  const isTag = scope !== 'all' && 'tag' in scope
  const [counted] = await sql`
    select from roll_up where tasks_until > now() - make_interval(mins => ${COUNTED_MINUTES})`
  if (isTag && counted) return 'too many tasks have this tag: ask for a shorter window'
  return 'the statistics took too long: ask for a shorter window, or wait until the ledger is counted'
}

async function requireTask(tx: Queryable, id: number): Promise<void> {
  const [task] = await tx`select from tasks where id = ${id}`
  if (!task) throw notFound('task', id)
}

async function read(tx: Queryable, window: Window): Promise<Bucket[]> {
  const { scope } = window
  const name: RollUpName = scope === 'all' ? 'totals' : 'tasks'
  // The plan depends on how much of the window is in the ledger only.
  await tx`set local plan_cache_mode = force_custom_plan`
  const [{ until }] = await tx<[{ until: Date }]>`
    select ${name === 'totals' ? tx`totals_until` : tx`tasks_until`} as until from roll_up`
  const kept = scope === 'all' ? keptTotals(tx, window) : keptTasks(tx, window, scope)
  const rows = await tx<{ start: Date; cells: Buffer }[]>`
    with meant as materialized (${meantTasks(tx, scope)})
    select start::timestamptz as start, array_send(cells) as cells
    from (${kept} union all ${fresh(tx, window, name, until)}) found`
  return rows.map(({ start, cells }) => [start.getTime(), cells])
}

/** Returns the ids of the tasks with the tag; none for other scopes, which don't need them. */
const meantTasks = (sql: Queryable, scope: Scope): Fragment =>
  scope !== 'all' && 'tag' in scope
    ? sql`select t.id from tasks t where t.tags @> array[${scope.tag}]`
    : sql`select null::int as id where false`

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
      from meant m
      join task_stats s on s.task_id = m.id
      cross join lateral ${unpacked(sql, sql`s.cells`)}
      where ${days}
      group by s.day, cells.key
    ) by_key
    group by day`
}

/** Returns what ended in the window and isn't rolled up yet, in the ledger's rows. */
function fresh(sql: Queryable, { from, to, bucket, scope }: Window, name: RollUpName, until: Date): Fragment {
  const since = from > until ? from : until
  const isMeant = whichTasks(sql, scope)
  return sql`
    select start, ${packed(sql)} as cells
    from (
      select ${startOf(sql, bucket, sql`e.finished_at`)} as start, c.key, sum(c.n) as n
      from (
        select ${countedColumns(sql)}
        from executions e
        where e.finished_at >= ${since}::timestamptz and e.finished_at < ${to}::timestamptz
          and ${isMeant}
        union all
        select ${countedColumns(sql)}
        from ${notedRows(sql, sql`late_settlements where roll_up = ${name}`)}
        where e.finished_at < ${until}::timestamptz and e.finished_at >= ${from}::timestamptz and e.finished_at < ${to}::timestamptz
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
  // Without `is true`, it would be a join, which may compare each row with each task.
  return sql`(e.task_id in (select m.id from meant m)) is true`
}
