import * as z from 'zod'
import type { Fragment, Queryable } from '../db.ts'
import { instantIn } from '../instant.ts'
import { type Order, readCursor } from '../page.ts'
import type { Task } from './task.ts'

export const SORTS = ['id', 'name', 'next_run_at', 'last_run'] as const

export type Sorting = { sort: (typeof SORTS)[number]; order: Order }

type Key = string | Date | null

/** The last row of the previous page: the value that the list is sorted by, and the id. */
type Position = { key: Key; id: number }

/** Returns what a cursor contains for a task. It names the order, since it means nothing in another one. */
export function positionOf({ sort, order }: Sorting, task: Task): unknown {
  if (sort === 'id' && order === 'asc') return task.id
  const keys = { id: null, name: task.name, next_run_at: task.next_run_at, last_run: task.last_run_at }
  return [`${sort} ${order}`, keys[sort], task.id]
}

/** Returns the position in a cursor, or null if there is none. Throws `invalid` for a cursor from another order. */
export function readPosition({
  sort,
  order,
  cursor,
}: Sorting & { cursor?: string | undefined }): Position | null {
  if (sort === 'id' && order === 'asc') {
    const id = readCursor(z.int(), cursor)
    return id === null ? null : { key: null, id }
  }
  const keys = {
    id: z.null(),
    name: z.string(),
    next_run_at: instantIn.nullable(),
    last_run: instantIn.nullable(),
  }
  const position = readCursor(z.tuple([z.literal(`${sort} ${order}`), keys[sort], z.int()]), cursor)
  return position && { key: position[1], id: position[2] }
}

/** The value for rows that have none, so that they come last in either order. */
const none = (sql: Queryable, order: Order): Fragment =>
  order === 'asc' ? sql`'infinity'::timestamptz` : sql`'-infinity'::timestamptz`

function keyOf(sql: Queryable, { sort, order }: Sorting): Fragment {
  if (sort === 'name') return sql`t.name collate "C"`
  return sql`coalesce(${sort === 'next_run_at' ? sql`s.next_run_at` : sql`s.busy_from`}, ${none(sql, order)})`
}

/**
 * Returns the condition that a row comes after a position, for a statement that aliases `tasks` as `t` and `task_state`
 * as `s`. It names the ids of both tables: PostgreSQL doesn't infer one condition from the other, and would otherwise
 * read one of the tables from its start.
 */
export function isAfter(sql: Queryable, by: Sorting, position: Position | null): Fragment {
  const beyond = by.order === 'asc' ? sql`>` : sql`<`
  if (by.sort === 'id') {
    if (position === null) return by.order === 'asc' ? sql`t.id > 0 and s.task_id > 0` : sql`true`
    return sql`t.id ${beyond} ${position.id}::bigint and s.task_id ${beyond} ${position.id}::bigint`
  }
  if (position === null) return sql`true`
  const { key, id } = position
  if (by.sort === 'name') return sql`${keyOf(sql, by)} ${beyond} ${key}::text`
  const value = sql`coalesce(${key}::timestamptz, ${none(sql, by.order)})`
  return sql`(${keyOf(sql, by)}, t.id) ${beyond} (${value}, ${id}::bigint)`
}

/** Returns the ORDER BY list. */
export function sortedBy(sql: Queryable, by: Sorting): Fragment {
  const direction = by.order === 'asc' ? sql`asc` : sql`desc`
  if (by.sort === 'id') return sql`t.id ${direction}`
  // Names are unique.
  if (by.sort === 'name') return sql`${keyOf(sql, by)} ${direction}`
  return sql`${keyOf(sql, by)} ${direction}, t.id ${direction}`
}
