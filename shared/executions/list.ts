import * as z from 'zod'
import { allOf, type Fragment, type Queryable, textBytes } from '../db.ts'
import { notFound } from '../errors.ts'
import { BEFORE_ALL, instantIn } from '../instant.ts'
import { type Page, pageLimit, pageQuery, readCursor, readPage } from '../page.ts'
import { digits } from '../parse.ts'
import { maybeOpen } from '../scheduling/state/ledger.ts'
import { EXECUTION_STATUSES, type Execution, executionColumns, openColumns, openStatus } from './execution.ts'

const filters = {
  ...pageQuery,
  status: z.enum(EXECUTION_STATUSES).optional().describe('Only executions with this status.'),
  scheduled_from: instantIn.optional().describe('Only occurrences at or after this time.'),
  scheduled_to: instantIn.optional().describe('Only occurrences before this time.'),
}

export const executionQuery = z.strictObject({
  ...filters,
  task_id: digits(z.int().min(1)).optional().describe('Only executions of this task.'),
})

/** Returns a page of executions of all tasks, newest first. Throws `invalid` for a cursor from another list. */
export async function listExecutions(
  sql: Queryable,
  query: z.output<typeof executionQuery>,
): Promise<Page<Execution>> {
  const before = readCursor(z.int(), query.cursor)
  const { task_id: taskId } = query
  const limit = pageLimit(sql, query)
  const ended = allOf(sql, [
    before !== null && sql`e.id < ${before}`,
    taskId !== undefined && sql`e.task_id = ${taskId}::bigint`,
    matches(sql, query, [sql`e.status`, sql`e.scheduled_for`]),
  ])
  const open = allOf(sql, [
    before !== null && sql`s.execution_id < ${before}`,
    taskId !== undefined && sql`s.task_id = ${taskId}::bigint`,
    matches(sql, query, [openStatus(sql), sql`s.scheduled_for`]),
  ])
  const select = sql`
    (
      select ${executionColumns(sql)}
      from executions e
      where ${ended}
      order by e.id desc
      limit ${limit}
    )
    union all
    (
      select ${openColumns(sql)}
      from ${taskId === undefined ? maybeOpen(sql) : sql`task_state s`}
      where s.status is not null and ${open}
      order by s.execution_id desc
      limit ${limit}
    )
    order by id desc
    limit ${limit}`
  return await readExecutions(sql, select, query.limit)
}

async function readExecutions(sql: Queryable, select: Fragment, limit: number): Promise<Page<Execution>> {
  const bytes = sql`coalesce(octet_length(detail), 0) + coalesce(${textBytes(sql, sql`result`)}, 0)`
  return await readPage(sql, { select, bytes, limit }, (row: Execution) => row)
}

export const historyQuery = z.strictObject(filters)

const historyCursor = z.tuple([instantIn, z.int()])

/**
 * Returns a page of a task's executions, oldest first. Throws `not_found`, and `invalid` for a cursor from another
 * list.
 */
export async function listHistory(
  sql: Queryable,
  taskId: number,
  query: z.output<typeof historyQuery>,
): Promise<Page<Execution>> {
  const [at, id] = readCursor(historyCursor, query.cursor) ?? [BEFORE_ALL, 0]
  const select = sql`
    (
      select ${executionColumns(sql)}
      from executions e
      where e.task_id = ${taskId}::bigint and (e.scheduled_for, e.id) > (${at}::timestamptz, ${id}::bigint)
        and ${matches(sql, query, [sql`e.status`, sql`e.scheduled_for`])}
      order by e.scheduled_for, e.id
      limit ${query.limit}
    )
    union all
    (
      select ${openColumns(sql)}
      from task_state s
      where s.task_id = ${taskId}::bigint and s.status is not null
        and (s.scheduled_for, s.execution_id) > (${at}::timestamptz, ${id}::bigint)
        and ${matches(sql, query, [openStatus(sql), sql`s.scheduled_for`])}
    )
    order by scheduled_for, id
    limit ${query.limit}`
  const page = await readExecutions(sql, select, query.limit)
  if (page.rows.length === 0) await requireTask(sql, taskId)
  return page
}

function matches(
  sql: Queryable,
  { status, scheduled_from: from, scheduled_to: to }: z.output<typeof historyQuery>,
  [statusColumn, occurrence]: [Fragment, Fragment],
): Fragment {
  return allOf(sql, [
    status !== undefined && sql`${statusColumn} = ${status}`,
    // Repeats the partial index's predicate literally; the planner can't infer it from a parameter.
    status !== undefined && status !== 'success' && sql`${statusColumn} <> 'success'`,
    from !== undefined && sql`${occurrence} >= ${from}`,
    to !== undefined && sql`${occurrence} < ${to}`,
  ])
}

async function requireTask(sql: Queryable, id: number): Promise<void> {
  const [task] = await sql`select from tasks where id = ${id}::bigint`
  if (!task) throw notFound('task', id)
}
