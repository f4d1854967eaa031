import * as z from 'zod'
import type { Queryable } from '../db.ts'
import { pageQuery, readCursor } from '../http/page.ts'
import { instantIn } from '../instant.ts'
import { TASK_TYPES } from '../runners/index.ts'
import { SCHEDULE_TYPES } from '../scheduling/schedule.ts'
import { type Task, type TaskRow, taskColumns, toTask } from './task.ts'

/** What tasks can be picked by; all that are given must hold. */
export const taskFilters = {
  type: z.enum(TASK_TYPES).optional(),
  schedule_type: z.enum(SCHEDULE_TYPES).optional(),
  paused: z.stringbool().optional(),
  name_prefix: z.string().max(200).optional(),
  tag: z.string().max(64).optional(),
  due_before: instantIn.optional().describe('Next run before this instant'),
}

export const taskQuery = z.strictObject({ ...pageQuery, ...taskFilters })

export type TaskFilters = {
  [Key in keyof typeof taskFilters]?: z.output<(typeof taskFilters)[Key]>
}

/** The condition that picks them, for a statement whose `tasks` is named `t`. */
export function matching(sql: Queryable, filters: TaskFilters) {
  const {
    type = null,
    schedule_type = null,
    paused = null,
    name_prefix = null,
    tag = null,
    due_before = null,
  } = filters
  return sql`(${type}::text is null or t.type = ${type})
    and (${schedule_type}::text is null or t.schedule_type = ${schedule_type})
    and (${paused}::boolean is null or (t.paused_at is not null) = ${paused})
    and (${name_prefix}::text is null or starts_with(t.name, ${name_prefix}))
    and (${tag}::text is null or t.tags @> array[${tag}])
    and (${due_before}::timestamptz is null or t.next_run_at < ${due_before})`
}

/** Tasks, oldest first. Throws `invalid` for a cursor of another list. */
export async function listTasks(sql: Queryable, query: z.output<typeof taskQuery>): Promise<Task[]> {
  const after = readCursor(z.int(), query.cursor) ?? 0
  const rows = await sql<TaskRow[]>`
    select ${taskColumns(sql)}
    from tasks t
    where t.id > ${after}::bigint and ${matching(sql, query)}
    order by t.id
    limit ${query.limit}`
  return rows.map(toTask)
}
