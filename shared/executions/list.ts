import * as z from 'zod'
import { allOf, type Fragment, type Queryable, textBytes } from '../db.ts'
import { notFound } from '../errors.ts'
import { instantIn } from '../instant.ts'
import { ORDERS, type Order, type Page, pageLimit, pageQuery, readCursor, readPage } from '../page.ts'
import { maybeOpen } from '../scheduling/state/ledger.ts'
import { type Execution, executionColumns, openColumns } from './execution.ts'
import {
  type ExecutionFilters,
  endedRows,
  executionFilters,
  isWindow,
  matchingEnded,
  matchingOpen,
  narrow,
  ofTasks,
} from './filter.ts'

const order = z.enum(ORDERS)

export const executionQuery = z.strictObject({
  ...pageQuery,
  ...executionFilters,
  ...ofTasks,
  order: order.default('desc').describe('`desc` lists the newest first, `asc` the oldest.'),
})

type ExecutionQuery = z.output<typeof executionQuery>

const cursors = {
  desc: z.int(),
  asc: z.tuple([z.literal('asc'), z.int()]).transform(([, id]) => id),
}

/** Returns what a cursor contains for an execution. It names an order other than the default, where it means nothing. */
export const positionOf = ({ order }: { order: Order }, { id }: Execution): unknown =>
  order === 'desc' ? id : [order, id]

/** Returns a page of executions of all tasks, by id. Throws `invalid` for a cursor from another list or order. */
export async function listExecutions(sql: Queryable, query: ExecutionQuery): Promise<Page<Execution>> {
  const after = readCursor(cursors[query.order], query.cursor)
  const limit = pageLimit(sql, query)
  const filters = await narrow(sql, query)
  const by = inOrder(sql, query.order)
  const isNext = (id: Fragment): Fragment | false => after !== null && sql`${id} ${by.beyond} ${after}`
  const select = sql`
    ${branches(filters).reduce(
      (all, some) => sql`${all} (
      select ${executionColumns(sql)}
      from ${endedRows(sql, some)}
      where ${allOf(sql, [isNext(sql`e.id`), matchingEnded(sql, some)])}
      order by e.id ${by.direction}
      limit ${limit}
    )
    union all`,
      sql``,
    )}
    (
      select ${openColumns(sql)}
      from ${query.task_id === undefined ? maybeOpen(sql) : sql`task_state s`}
      where s.status is not null and ${allOf(sql, [isNext(sql`s.execution_id`), matchingOpen(sql, filters)])}
      order by s.execution_id ${by.direction}
      limit ${limit}
    )
    order by id ${by.direction}
    limit ${limit}`
  return await readExecutions(sql, select, query.limit)
}

const inOrder = (sql: Queryable, order: Order): { direction: Fragment; beyond: Fragment } =>
  order === 'desc' ? { direction: sql`desc`, beyond: sql`<` } : { direction: sql`asc`, beyond: sql`>` }

/**
 * Divides the filters by status, unless a success may match, or only a few tasks' executions. The index of everything
 * else is in the order of ids within one status, so each part of the page is read without a sort.
 */
function branches(filters: ExecutionFilters): ExecutionFilters[] {
  const { status, task_id, task_ids, ...rest } = filters
  const isFew = task_id !== undefined || task_ids !== undefined
  if (status === undefined || status.includes('success') || isFew || isWindow(filters)) return [filters]
  return status.map((one) => ({ ...rest, status: [one] }))
}

async function readExecutions(sql: Queryable, select: Fragment, limit: number): Promise<Page<Execution>> {
  const bytes = sql`coalesce(octet_length(detail), 0) + coalesce(${textBytes(sql, sql`result`)}, 0)`
  return await readPage(sql, { select, bytes, limit }, (row: Execution) => row)
}

export const historyQuery = z.strictObject({
  ...pageQuery,
  ...executionFilters,
  order: order.default('asc').describe('`asc` lists the earliest occurrence first, `desc` the latest.'),
})

const historyCursors = {
  asc: z.tuple([instantIn, z.int()]).transform(([at, id]) => ({ at, id })),
  desc: z.tuple([z.literal('desc'), instantIn, z.int()]).transform(([, at, id]) => ({ at, id })),
}

/** Returns what a cursor contains for an execution of a history. */
export const historyPositionOf = ({ order }: { order: Order }, { scheduled_for, id }: Execution): unknown =>
  order === 'asc' ? [scheduled_for, id] : [order, scheduled_for, id]

/**
 * Returns a page of a task's executions, by occurrence. Throws `not_found`, and `invalid` for a cursor from another
 * list or order.
 */
export async function listHistory(
  sql: Queryable,
  taskId: number,
  query: z.output<typeof historyQuery>,
): Promise<Page<Execution>> {
  const after = readCursor(historyCursors[query.order], query.cursor)
  const by = inOrder(sql, query.order)
  const isNext = (at: Fragment, id: Fragment): Fragment | false =>
    after !== null && sql`(${at}, ${id}) ${by.beyond} (${after.at}::timestamptz, ${after.id}::bigint)`
  const select = sql`
    (
      select ${executionColumns(sql)}
      from executions e
      where e.task_id = ${taskId}::bigint
        and ${allOf(sql, [isNext(sql`e.scheduled_for`, sql`e.id`), matchingEnded(sql, query)])}
      order by e.scheduled_for ${by.direction}, e.id ${by.direction}
      limit ${query.limit}
    )
    union all
    (
      select ${openColumns(sql)}
      from task_state s
      where s.task_id = ${taskId}::bigint and s.status is not null
        and ${allOf(sql, [isNext(sql`s.scheduled_for`, sql`s.execution_id`), matchingOpen(sql, query)])}
    )
    order by scheduled_for ${by.direction}, id ${by.direction}
    limit ${query.limit}`
  const page = await readExecutions(sql, select, query.limit)
  if (page.rows.length === 0) await requireTask(sql, taskId)
  return page
}

async function requireTask(sql: Queryable, id: number): Promise<void> {
  const [task] = await sql`select from tasks where id = ${id}::bigint`
  if (!task) throw notFound('task', id)
}
