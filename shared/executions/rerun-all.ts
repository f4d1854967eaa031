import * as z from 'zod'
import { type Database, type Fragment, retryDeadlock } from '../db.ts'
import { AppError } from '../errors.ts'
import { readCursor, toCursor, tooSlow } from '../page.ts'
import { nothingOpen, openedManually } from '../scheduling/state/open.ts'
import {
  type BulkContext,
  bulkOut,
  COUNTED,
  ENOUGH_MS,
  endEarly,
  hasFilter,
  IDS,
  inBatch,
  orOne,
} from '../tasks/bulk.ts'
import {
  type ExecutionFilters,
  endedRows,
  executionFilters,
  matchingEnded,
  narrow,
  ofTasks,
} from './filter.ts'

export const rerunQuery = z.strictObject({
  ...executionFilters,
  ...ofTasks,
  dry_run: z
    .stringbool()
    .default(false)
    .describe('If true, starts nothing, and only returns how many tasks have matching executions.'),
  ids: z.stringbool().default(false).describe('If true, also returns ids of executions.'),
  cursor: z.string().max(200).optional().describe('Where to continue: `next` from the previous response.'),
})

export const rerunOut = bulkOut.extend({
  matched: z
    .int()
    .describe(`Number of tasks with matching executions that this call handled: at most ${IDS}.`),
  changed: z.int().describe('Number of new executions.'),
  open: z.int().describe('Number of tasks that were left alone because they have an open execution.'),
  ids: z
    .array(z.int())
    .optional()
    .describe(
      'Ids of the new executions or, with `dry_run`, of those that would run again. Only with `ids=true`.',
    ),
})

type Reruns = z.output<typeof rerunOut>

const NONE_IN_TIME = 'no task could be rerun in time: other transactions lock them, or the database is slow'

/** The newest matching execution of a task. */
type Newest = { task_id: number; id: number }

/**
 * Runs tasks again, in id order, that have ended executions matching the filters, until the call's time is up. Each
 * task runs once, since it has room for one open execution: as a rerun of its newest matching execution. Tasks with an
 * open execution are left alone. Throws `bad_request` without a filter, `invalid` for a bad cursor, `timeout` if too
 * many executions had to be searched, and `unavailable` if no task could be handled in time. Once a run has been
 * started, nothing is thrown.
 */
export async function rerunAll(
  { sql, batch }: BulkContext,
  query: z.output<typeof rerunQuery>,
): Promise<Reruns> {
  const { dry_run, ids: named, cursor, ...given } = query
  if (!hasFilter(given)) throw new AppError('bad_request', 'pass a filter')
  const until = performance.now() + ENOUGH_MS
  const filters = await narrow(sql, given)
  const from = readCursor(z.int(), cursor) ?? 0
  const found = await findNewest(sql, filters, from)
  const done = dry_run
    ? { matched: found.length, ids: found.map(({ id }) => id), open: 0 }
    : await openAll({ sql, batch }, found, until)
  const isAll = done.matched === found.length && found.length < IDS
  const last = found[done.matched - 1]?.task_id ?? from
  const hasChanged = !dry_run && done.matched > 0
  const remaining = isAll ? 0 : await orOne(countAfter(sql, filters, last), hasChanged)
  return {
    matched: done.matched,
    changed: dry_run ? 0 : done.ids.length,
    open: done.open,
    remaining,
    next: remaining > 0 ? toCursor(last) : null,
    dry_run,
    ...(named && { ids: done.ids }),
  }
}

type Done = { matched: number; ids: number[]; open: number }

/** Opens executions, batch by batch, until time is up, but at least one batch. Throws `unavailable` if none worked. */
async function openAll({ sql, batch }: BulkContext, found: Newest[], until: number): Promise<Done> {
  const done: Done = { matched: 0, ids: [], open: 0 }
  if (found.length === 0) return done
  do {
    const some = found.slice(done.matched, done.matched + batch.size)
    try {
      const opened = await inBatch(batch, some.length, () => openReruns(sql, some))
      if (opened === null) continue
      done.matched += some.length
      done.ids.push(...opened.ids)
      done.open += opened.open
    } catch (error) {
      endEarly(error, done.matched > 0)
      break
    }
  } while (done.matched < found.length && performance.now() < until)
  // The same cursor again would have clients repeat the call without a pause.
  if (done.matched === 0) throw new AppError('unavailable', NONE_IN_TIME, { retryAfterSeconds: 5 })
  return done
}

const findNewest = (sql: Database, filters: ExecutionFilters, after: number): Promise<Newest[]> =>
  sql<Newest[]>`
    select distinct on (e.task_id) e.task_id, e.id
    from ${ofTasksAfter(sql, filters, after)}
    order by e.task_id, e.id desc
    limit ${IDS}`.catch(tooSlow)

async function countAfter(sql: Database, filters: ExecutionFilters, after: number): Promise<number> {
  const [{ count }] = await sql<[{ count: number }]>`
    select count(*)::int from (
      select distinct e.task_id from ${ofTasksAfter(sql, filters, after)} limit ${COUNTED}
    ) counted`.catch(tooSlow)
  return count
}

const ofTasksAfter = (sql: Database, filters: ExecutionFilters, after: number): Fragment => sql`
  ${endedRows(sql, filters)}
  where e.task_id > ${after}::bigint and ${matchingEnded(sql, filters)}`

/** Opens executions. Returns their ids, and the number of tasks that have an open execution already. */
async function openReruns(sql: Database, newest: Newest[]): Promise<{ ids: number[]; open: number }> {
  const [{ ids, open }] = await retryDeadlock(
    () => sql<[{ ids: number[] | null; open: number }]>`
      with locked as (
        select s.task_id, c.rerun_of, ${nothingOpen(sql)} as is_free
        from unnest(
          ${newest.map((it) => it.task_id)}::int[], ${newest.map((it) => it.id)}::bigint[]
        ) as c (task_id, rerun_of)
        join task_state s on s.task_id = c.task_id
        order by s.task_id
        for no key update of s
      ),
      opened as (
        update task_state s
        set ${openedManually(sql, 'rerun', sql`l.rerun_of`)}
        from locked l
        where s.task_id = l.task_id and l.is_free and ${nothingOpen(sql)}
        returning s.execution_id
      )
      select (select json_agg(execution_id order by execution_id) from opened) as ids,
        (select count(*)::int from locked where not is_free) as open`,
  )
  return { ids: ids ?? [], open }
}
