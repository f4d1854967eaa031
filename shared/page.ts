import * as z from 'zod'
import { type Fragment, type Queryable, wasTooSlow } from './db.ts'
import { AppError, invalid } from './errors.ts'
import { digits } from './parse.ts'
import { Turn } from './turn.ts'

const PAGE_LIMIT = 1000

export const ORDERS = ['asc', 'desc'] as const
export type Order = (typeof ORDERS)[number]

/** A cursor may contain a task's name: 200 characters, of which JSON and base64 make up to 1600. */
const CURSOR_CHARACTERS = 2000

/** Query parameters of every list. */
export const pageQuery = {
  limit: digits(z.int().min(1).max(PAGE_LIMIT))
    .default(PAGE_LIMIT)
    .describe('Maximum number of rows in the page.'),
  cursor: z
    .string()
    .max(CURSOR_CHARACTERS)
    .optional()
    .describe('From the `Link` header of the previous page.'),
}

/**
 * Limits that clients commonly use. Any other limit stays a parameter: each literal makes a different statement, and a
 * connection keeps every statement that it has prepared.
 */
const USUAL_LIMITS = [10, 20, 25, 50, 100, 200, 250, 500, PAGE_LIMIT]

/** What a list's query may have besides filters. */
const NO_FILTERS = ['cursor', 'sort', 'order']

/**
 * Returns a page's limit for use in a statement. Without filters, a common limit is a literal. If it were a parameter,
 * PostgreSQL wouldn't know how few rows are wanted, and would plan the statement for each call, which takes several
 * times as long as reading the page. With filters, the limit is a parameter, since each call should be planned for the
 * filters' values.
 */
export function pageLimit(sql: Queryable, { limit, ...query }: { limit: number }): Fragment {
  const isFilter = ([name, value]: [string, unknown]): boolean =>
    value !== undefined && !NO_FILTERS.includes(name)
  const isPlain = !Object.entries(query).some(isFilter) && USUAL_LIMITS.includes(limit)
  return isPlain ? sql.unsafe(String(limit)) : sql`${limit}`
}

/** Returns the cursor that points past a row. `keys`: the row's sort keys. */
export const toCursor = (keys: unknown): string => Buffer.from(JSON.stringify(keys)).toString('base64url')

/**
 * Parses a cursor that `toCursor` made. Returns the sort keys of the last row on the previous page, or null if there is
 * no cursor. Throws `invalid`.
 */
export function readCursor<Schema extends z.ZodType>(
  schema: Schema,
  cursor: string | undefined,
): z.output<Schema> | null {
  if (cursor === undefined) return null
  try {
    return schema.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString()))
  } catch {
    throw invalid([{ parameter: 'cursor', detail: 'is not a cursor for this list' }])
  }
}

/** Rows of a list, and whether there may be more. */
export type Page<Row> = { rows: Row[]; more: boolean }

/**
 * A page ends once its large values reach this many bytes, since reading and writing them blocks the event loop, and
 * Lambda sends at most 6 MB. With 1000 rows, everything else takes up to 4 MB.
 */
const PAGE_BYTES = 2 ** 20

/** Sizes in bytes: of a row, and of the page up to and including that row. */
type Size = { row_bytes: number; page_bytes: number }

/**
 * Returns a page with the rows that `select` returns, in the same order. The row that makes the page reach 1 MiB is its
 * last row. `bytes`: an SQL expression for the size of a row. `limit`: the limit in `select`. `show`: converts a row to
 * the form that the API returns. Throws `timeout` if the server took too long to find the rows.
 */
export async function readPage<Row extends object, Shown>(
  sql: Queryable,
  { select, bytes, limit }: { select: Fragment; bytes: Fragment; limit: number },
  show: (row: Row) => Shown,
): Promise<Page<Shown>> {
  const found = await sql<(Row & Size)[]>`
    select * from (
      select *, sum(row_bytes) over (rows unbounded preceding)::int as page_bytes
      from (select *, ${bytes} as row_bytes from (${select}) selected) sized
    ) summed
    where page_bytes - row_bytes < ${PAGE_BYTES}`.catch(tooSlow)
  const more = found.length === limit || (found.at(-1)?.page_bytes ?? 0) >= PAGE_BYTES
  const rows: Shown[] = []
  const turn = new Turn()
  for (const row of found) {
    if (turn.isOver) await turn.next()
    rows.push(show(withoutSize(row)))
  }
  // Writing the rows as JSON takes about as long as this loop did.
  if (turn.isHalfOver) await turn.next()
  return { rows, more }
}

/** Rethrows an error. If the server cancelled a search because it took too long, says so. */
export function tooSlow(error: unknown): never {
  if (!wasTooSlow(error)) throw error
  throw new AppError('timeout', 'too many rows had to be searched: narrow the filters', { cause: error })
}

/**
 * Sets a row's sizes to undefined, which JSON omits, so that the API doesn't return them. Deleting the columns, or
 * copying the row without them, would take half as long as the whole request.
 */
function withoutSize<Row extends object>(row: Row & Partial<Record<keyof Size, number | undefined>>): Row {
  row.row_bytes = undefined
  row.page_bytes = undefined
  return row
}
