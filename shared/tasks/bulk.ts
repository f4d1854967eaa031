import * as z from 'zod'
import type { Database } from '../db.ts'
import { AppError } from '../errors.ts'
import { pauseTasks, resumeTasks } from '../scheduling/pause.ts'
import { deleteTasks } from './delete.ts'
import { matching, taskFilters } from './list.ts'

export const bulkQuery = z.strictObject({
  ...taskFilters,
  all: z.stringbool().optional().describe('Every task: must be said when there is no filter'),
  dry_run: z.stringbool().default(false).describe('Only tell which tasks it would be'),
})

export type BulkQuery = z.output<typeof bulkQuery>

export const bulkOut = z.object({ matched: z.int(), dry_run: z.boolean(), ids: z.array(z.int()) })

export type BulkVerb =
  | { verb: 'pause'; until: Date | null; reason: string | null }
  | { verb: 'resume'; missed: 'skip' | 'policy' }
  | { verb: 'delete' }

/** Tasks of one transaction: a longer one would hold its locks while every tick goes by. */
const CHUNK = 500

/** Does one thing to every task that the filters match. Throws `bad_request` when nothing says which. */
export async function applyToAll(
  sql: Database,
  query: BulkQuery,
  verb: BulkVerb,
): Promise<z.output<typeof bulkOut>> {
  const { all, dry_run, ...filters } = query
  // An empty one comes from a variable that was not set; as a prefix it would match everything.
  if (!all && Object.values(filters).every((value) => value === undefined || value === '')) {
    throw new AppError('bad_request', 'a filter, or all=true, must say which tasks')
  }
  const rows = await sql<{ id: number }[]>`
    select t.id
    from tasks t
    join task_state s on s.task_id = t.id
    where ${matching(sql, filters)}
    order by t.id`
  const ids = rows.map(({ id }) => id)
  if (dry_run) return { matched: ids.length, dry_run, ids }
  const done: number[] = []
  for (let from = 0; from < ids.length; from += CHUNK) {
    done.push(...(await apply(sql, ids.slice(from, from + CHUNK), verb)))
  }
  return { matched: done.length, dry_run, ids: done.sort((a, b) => a - b) }
}

async function apply(sql: Database, ids: number[], verb: BulkVerb): Promise<number[]> {
  if (verb.verb === 'pause') return await pauseTasks(sql, ids, verb)
  if (verb.verb === 'resume') return await resumeTasks(sql, ids, verb.missed)
  return await deleteTasks(sql, ids)
}
