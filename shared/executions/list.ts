import * as z from 'zod'
import type { Queryable } from '../db.ts'
import { notFound } from '../errors.ts'
import { pageQuery, readCursor } from '../http/page.ts'
import { digits } from '../http/parse.ts'
import { instantIn } from '../instant.ts'
import { EXECUTION_STATUSES, type Execution, executionColumns } from './execution.ts'

const filters = {
  ...pageQuery,
  status: z.enum(EXECUTION_STATUSES).optional(),
  scheduled_from: instantIn.optional().describe('Occurrences at or after this instant'),
  scheduled_to: instantIn.optional().describe('Occurrences before this instant'),
}

export const executionQuery = z.strictObject({
  ...filters,
  task_id: digits(z.int().min(1)).optional(),
})

/** Executions of all tasks, newest first. Throws `invalid` for a cursor of another list. */
export async function listExecutions(
  sql: Queryable,
  query: z.output<typeof executionQuery>,
): Promise<Execution[]> {
  const before = readCursor(z.int(), query.cursor)
  return await sql<Execution[]>`
    select ${executionColumns(sql)}
    from executions e
    where (${before}::bigint is null or e.id < ${before})
      and (${query.task_id ?? null}::bigint is null or e.task_id = ${query.task_id ?? null}::bigint)
      and ${matches(sql, query)}
    order by e.id desc
    limit ${query.limit}`
}

export const historyQuery = z.strictObject(filters)

const historyCursor = z.tuple([instantIn, z.int()])

/** A task's executions, oldest first. Throws `not_found`, and `invalid` for a cursor of another list. */
export async function listHistory(
  sql: Queryable,
  taskId: number,
  query: z.output<typeof historyQuery>,
): Promise<Execution[]> {
  const [at, id] = readCursor(historyCursor, query.cursor) ?? [null, 0]
  const executions = await sql<Execution[]>`
    select ${executionColumns(sql)}
    from executions e
    where e.task_id = ${taskId}::bigint
      and (${at}::timestamptz is null or (e.scheduled_for, e.id) > (${at}, ${id}))
      and ${matches(sql, query)}
    order by e.scheduled_for, e.id
    limit ${query.limit}`
  if (executions.length === 0) await requireTask(sql, taskId)
  return executions
}

function matches(sql: Queryable, query: z.output<typeof historyQuery>) {
  const { status = null, scheduled_from = null, scheduled_to = null } = query
  return sql`(${status}::text is null or e.status = ${status})
    and (${scheduled_from}::timestamptz is null or e.scheduled_for >= ${scheduled_from})
    and (${scheduled_to}::timestamptz is null or e.scheduled_for < ${scheduled_to})`
}

async function requireTask(sql: Queryable, id: number): Promise<void> {
  const [task] = await sql`select from tasks where id = ${id}::bigint`
  if (!task) throw notFound('task', id)
}
