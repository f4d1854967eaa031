import * as z from 'zod'
import type { BatchSize } from '../batch-size.ts'
import { type Database, wasLockedOut, wasTooSlow } from '../db.ts'
import { AppError } from '../errors.ts'
import { logger } from '../logger.ts'
import { readCursor, toCursor } from '../page.ts'
import { pauseTasks, resumeTasks } from '../scheduling/control/pause.ts'
import { deleteTasks } from './delete.ts'
import { matching, taskFilters } from './list.ts'

/** The most ids that a call returns, and the most tasks that it counts. */
export const IDS = 10_000
export const COUNTED = 1_000_000

export const bulkQuery = z.strictObject({
  ...taskFilters,
  all: z.stringbool().optional().describe('Selects every task. Required if there is no filter.'),
  dry_run: z
    .stringbool()
    .default(false)
    .describe('If true, changes nothing, and only returns how many tasks match.'),
  ids: z
    .stringbool()
    .default(false)
    .describe(`If true, also returns the ids of the tasks. A call then handles at most ${IDS} tasks.`),
  cursor: z.string().max(200).optional().describe('Where to continue: `next` from the previous response.'),
})

export type BulkQuery = z.output<typeof bulkQuery>

export const bulkOut = z.object({
  matched: z.int().describe('Number of matching tasks that this call handled.'),
  changed: z.int().describe('Number of tasks that this call changed.'),
  remaining: z
    .int()
    .describe(
      `Number of matching tasks left for the next call, counted up to ${COUNTED}. 1 if they could not be counted.`,
    ),
  next: z.string().nullable().describe('`cursor` for the next call. Null if no tasks remain.'),
  dry_run: z.boolean().describe('Whether this was a dry run.'),
  ids: z
    .array(z.int())
    .optional()
    .describe('Ids of the changed tasks or, with `dry_run`, of the matching tasks. Only with `ids=true`.'),
})

type Bulk = z.output<typeof bulkOut>

export type BulkVerb =
  | { verb: 'pause'; until: Date | null; reason: string | null }
  | { verb: 'resume'; missed: 'skip' | 'policy' }
  | { verb: 'delete' }

/**
 * Maximum number of tasks that one transaction changes. A longer transaction would hold its locks for too many ticks.
 */
export const BULK_BATCH = 1000

/**
 * `batch` is shared by all calls of a process. On a slow database, a call may end after one batch, and the next call
 * then starts with the reduced size.
 */
export type BulkContext = { sql: Database; batch: BatchSize }

/** Milliseconds after which a call doesn't start another batch. The next call handles the remaining tasks. */
export const ENOUGH_MS = 4000

type Filters = Pick<BulkQuery, keyof typeof taskFilters>

/**
 * Applies an action to the tasks that match the filters, in id order, until the call's time is up. Throws `bad_request`
 * if there is neither a filter nor `all`, and `invalid` for a bad cursor. Once a task has been changed, nothing is
 * thrown.
 */
export async function applyToAll(
  { sql, batch }: BulkContext,
  query: BulkQuery,
  verb: BulkVerb,
): Promise<Bulk> {
  const { all, dry_run, ids: named, cursor, ...filters } = query
  if (!all && !hasFilter(filters)) throw new AppError('bad_request', 'pass a filter or all=true')
  const from = readCursor(z.int(), cursor) ?? 0
  const most = named ? IDS : Number.POSITIVE_INFINITY
  const done = dry_run
    ? await count(sql, filters, from, named)
    : await applyFrom({ sql, batch }, filters, from, most, verb)
  const hasChanged = !dry_run && done.matched > 0
  const remaining = done.last === null ? 0 : await orOne(countAfter(sql, filters, done.last), hasChanged)
  return {
    matched: done.matched,
    changed: done.changed.length,
    remaining,
    next: remaining > 0 && done.last !== null ? toCursor(done.last) : null,
    dry_run,
    ...(named && { ids: dry_run ? done.ids : done.changed }),
  }
}

/** An empty prefix usually comes from a variable that wasn't set, and would match everything. */
export const hasFilter = (filters: object): boolean =>
  Object.values(filters).some((value) => value !== undefined && value !== '')

/** `last`: the id of the last task that was handled; null if no tasks remain. */
type Done = { matched: number; changed: number[]; ids: number[]; last: number | null }

async function count(sql: Database, filters: Filters, from: number, named: boolean): Promise<Done> {
  if (!named) return { matched: await countAfter(sql, filters, from), changed: [], ids: [], last: null }
  const ids = await idsAfter(sql, filters, from, IDS)
  return { matched: ids.length, changed: [], ids, last: ids.length < IDS ? null : (ids.at(-1) ?? null) }
}

async function applyFrom(
  { sql, batch }: BulkContext,
  filters: Filters,
  from: number,
  most: number,
  verb: BulkVerb,
): Promise<Done> {
  const until = performance.now() + ENOUGH_MS
  const done: Done = { matched: 0, changed: [], ids: [], last: from }
  while (done.last !== null && done.matched < most && performance.now() < until) {
    const limit = Math.min(batch.size, most - done.matched)
    try {
      const ids = await idsAfter(sql, filters, done.last, limit)
      const changed = await inBatch(batch, ids.length, () => applyOnce(sql, ids, verb, until))
      if (changed === null) continue
      done.matched += ids.length
      done.changed.push(...changed.sort((a, b) => a - b))
      done.last = ids.length < limit ? null : (ids.at(-1) ?? null)
    } catch (error) {
      endEarly(error, done.matched > 0)
      break
    }
  }
  return done
}

/**
 * Filters by id in both tables. PostgreSQL doesn't infer one condition from the other, and would otherwise read one of
 * the tables from the beginning.
 */
const idsAfter = async (sql: Database, filters: Filters, after: number, limit: number): Promise<number[]> => {
  const rows = await sql<{ id: number }[]>`
    select t.id
    from tasks t
    join task_state s on s.task_id = t.id
    where t.id > ${after}::bigint and s.task_id > ${after}::bigint and ${matching(sql, filters)}
    order by t.id
    limit ${limit}`
  return rows.map(({ id }) => id)
}

async function countAfter(sql: Database, filters: Filters, after: number): Promise<number> {
  const [{ count }] = await sql<[{ count: number }]>`
    select count(*)::int from (
      select from tasks t
      join task_state s on s.task_id = t.id
      where t.id > ${after}::bigint and s.task_id > ${after}::bigint and ${matching(sql, filters)}
      limit ${COUNTED}
    ) counted`
  return count
}

/**
 * Changes a batch of `size` tasks. Returns what `change` returns. Returns null if the batch was too large, or its tasks
 * stayed locked, for example by another bulk call. The batch's tasks must then be handled again.
 */
export async function inBatch<Done>(
  batch: BatchSize,
  size: number,
  change: () => Promise<Done>,
): Promise<Done | null> {
  try {
    const done = await change()
    batch.worked()
    return done
  } catch (error) {
    if (!wasLockedOut(error) && (!wasTooSlow(error) || size <= 1)) throw error
    batch.tooSlow()
    return null
  }
}

/**
 * Rethrows an error, unless the call has already changed something. Its caller must learn of that, and so gets a result
 * instead; the error is only logged. If it lasts, the next call throws it.
 */
export function endEarly(error: unknown, hasChanged: boolean): void {
  if (!hasChanged) throw error
  logger.error('a bulk call ended early', error as Error)
}

/** Returns the number of tasks that remain, or 1 if they can't be counted after the call has changed something. */
export const orOne = (counted: Promise<number>, hasChanged: boolean): Promise<number> =>
  counted.catch((error: unknown) => {
    endEarly(error, hasChanged)
    return 1
  })

/** Returns the ids of the tasks that existed, or null if time ran out. */
async function applyOnce(
  sql: Database,
  ids: number[],
  verb: BulkVerb,
  until: number,
): Promise<number[] | null> {
  if (verb.verb === 'pause') return await pauseTasks(sql, ids, verb)
  if (verb.verb === 'resume') return await resumeTasks(sql, ids, verb.missed)
  return await deleteTasks(sql, ids, until)
}
