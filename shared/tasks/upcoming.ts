import * as z from 'zod'
import type { Queryable } from '../db.ts'
import { BEFORE_ALL, instantIn } from '../instant.ts'
import { type Page, pageLimit, pageQuery, readCursor } from '../page.ts'
import { readTasks, type Task, taskColumns } from './task.ts'

export const upcomingQuery = z.strictObject(pageQuery)

const upcomingCursor = z.tuple([instantIn, z.int()])

/** Returns a page of tasks by next run, soonest first. Throws `invalid` for a cursor from another list. */
export async function listUpcoming(
  sql: Queryable,
  query: z.output<typeof upcomingQuery>,
): Promise<Page<Task>> {
  const [at, id] = readCursor(upcomingCursor, query.cursor) ?? [BEFORE_ALL, 0]
  const select = sql`
    select ${taskColumns(sql)}
    from task_state s
    join tasks t on t.id = s.task_id
    where s.next_run_at is not null and s.paused_at is null
      and (s.next_run_at, s.task_id) > (${at}::timestamptz, ${id}::bigint)
    order by s.next_run_at, s.task_id
    limit ${pageLimit(sql, query)}`
  return await readTasks(sql, select, query.limit)
}
