import * as z from 'zod'
import { allOf, type Fragment, type Queryable } from '../db.ts'
import { instantIn } from '../instant.ts'
import { ORDERS, type Page, pageLimit, pageQuery } from '../page.ts'
import { listOf } from '../parse.ts'
import { TASK_TYPES } from '../runners/index.ts'
import { SCHEDULE_TYPES } from '../scheduling/schedule/schedule.ts'
import { isAfter, readPosition, SORTS, sortedBy } from './sort.ts'
import { FILTERED_STATES, isInState } from './state.ts'
import { readTasks, type Task, taskColumns } from './task.ts'

/** Filters for tasks. All given filters must match. */
export const taskFilters = {
  type: z.enum(TASK_TYPES).optional().describe('Only tasks of this type.'),
  schedule_type: z.enum(SCHEDULE_TYPES).optional().describe('Only tasks with this type of schedule.'),
  paused: z
    .stringbool()
    .optional()
    .describe('Only paused tasks if true; only tasks that are not paused if false.'),
  state: listOf(z.enum(FILTERED_STATES))
    .optional()
    .describe('Only tasks in at least one of these states, separated by commas.'),
  name_prefix: z.string().max(200).optional().describe('Only tasks whose names start with this.'),
  search: z
    .string()
    .max(200)
    .optional()
    .describe('Only tasks whose names contain this, in upper or lower case.'),
  tag: z.string().max(64).optional().describe('Only tasks with this tag.'),
  due_before: instantIn.optional().describe('Only tasks whose next run is due before this time.'),
}

export const taskQuery = z.strictObject({
  ...pageQuery,
  ...taskFilters,
  sort: z
    .enum(SORTS)
    .default('id')
    .describe('What to sort by. Tasks without a next run, or that never ran, come last in either order.'),
  order: z.enum(ORDERS).default('asc').describe('The direction of the sort.'),
})

export type TaskFilters = {
  [Key in keyof typeof taskFilters]?: z.output<(typeof taskFilters)[Key]>
}

/** Returns the filters as a condition, for a statement that aliases `tasks` as `t` and `task_state` as `s`. */
export function matching(sql: Queryable, filters: TaskFilters): Fragment {
  const { type, schedule_type, paused, state, name_prefix, search, tag, due_before } = filters
  const conditions = [
    type !== undefined && sql`t.type = ${type}`,
    schedule_type !== undefined && sql`t.schedule_type = ${schedule_type}`,
    paused === true && sql`s.paused_at is not null`,
    paused === false && sql`s.paused_at is null`,
    state !== undefined && isInState(sql, state),
    name_prefix !== undefined && startsWith(sql, name_prefix),
    search !== undefined && sql`t.name ilike ${`%${search.replaceAll(/[\\%_]/g, '\\$&')}%`}`,
    tag !== undefined && sql`t.tags @> array[${tag}]`,
    due_before !== undefined && sql`s.next_run_at < ${due_before}`,
  ]
  return allOf(sql, conditions)
}

/**
 * No character sorts after this one, so every name with the prefix lies between the prefix and the prefix followed by
 * this character. The index is in this order, whatever the database's collation.
 */
const LAST = '\u{10FFFF}'

const startsWith = (sql: Queryable, prefix: string): Fragment => sql`
  t.name collate "C" >= ${prefix} and t.name collate "C" <= ${prefix + LAST} and starts_with(t.name, ${prefix})`

/** Returns a page of tasks. Throws `invalid` for a cursor from another list, or from another order. */
export async function listTasks(sql: Queryable, query: z.output<typeof taskQuery>): Promise<Page<Task>> {
  const select = sql`
    select ${taskColumns(sql)}
    from tasks t
    join task_state s on s.task_id = t.id
    where ${isAfter(sql, query, readPosition(query))} and ${matching(sql, query)}
    order by ${sortedBy(sql, query)}
    limit ${pageLimit(sql, query)}`
  return await readTasks(sql, select, query.limit)
}
