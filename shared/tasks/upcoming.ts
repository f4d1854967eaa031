import * as z from 'zod'
import type { Queryable } from '../db.ts'
import { pageQuery, readCursor } from '../http/page.ts'
import { instantIn } from '../instant.ts'
import { type Task, type TaskRow, taskColumns, toTask } from './task.ts'

export const upcomingQuery = z.strictObject(pageQuery)

const upcomingCursor = z.tuple([instantIn, z.int()])

/** Tasks that will run, soonest first. Throws `invalid` for a cursor of another list. */
export async function listUpcoming(sql: Queryable, query: z.output<typeof upcomingQuery>): Promise<Task[]> {
  const [at, id] = readCursor(upcomingCursor, query.cursor) ?? [null, 0]
  const rows = await sql<TaskRow[]>`
    select ${taskColumns(sql)}
    from tasks t
    where t.next_run_at is not null and t.paused_at is null
      and (${at}::timestamptz is null or (t.next_run_at, t.id) > (${at}, ${id}::bigint))
    order by t.next_run_at, t.id
    limit ${query.limit}`
  return rows.map(toTask)
}
