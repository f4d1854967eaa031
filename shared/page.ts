import * as z from 'zod'
import type { Fragment, Queryable } from './db.ts'
import { invalid } from './errors.ts'
import { digits } from './parse.ts'
import { Turn } from './turn.ts'

const PAGE_LIMIT = 1000

/** The parameters of every list. */
export const pageQuery = {
  limit: digits(z.int().min(1).max(PAGE_LIMIT))
    .default(PAGE_LIMIT)
    .describe(`Rows of a page; ${PAGE_LIMIT} when left out.`),
  cursor: z.string().max(200).optional().describe('From the Link header of the page before'),
}

/** What clients ask for. Any other stays a parameter, since a connection keeps each statement that it has prepared. */
const USUAL_LIMITS = [10, 20, 25, 50, 100, 200, 250, 500, PAGE_LIMIT]

/**
 * The limit of a page. In the statement itself for a list that nothing filters: when PostgreSQL doesn't know how few
 * rows are wanted, it plans anew for each call, which takes several times as long as the page. With filters a plan had
 * better know their values.
 */
export function pageLimit(
  sql: Queryable,
  { limit, cursor: _, ...filters }: { limit: number; cursor?: string | undefined },
): Fragment {
  const isPlain = Object.values(filters).every((it) => it === undefined) && USUAL_LIMITS.includes(limit)
  return isPlain ? sql.unsafe(String(limit)) : sql`${limit}`
}

/** Returns the cursor behind a row with these keys, by which its list is ordered. */
export const toCursor = (keys: unknown): string => Buffer.from(JSON.stringify(keys)).toString('base64url')

/** Reads a cursor that `toCursor` made. Returns the keys of the last row of the page before. Throws `invalid`. */
export function readCursor<Schema extends z.ZodType>(
  schema: Schema,
  cursor: string | undefined,
): z.output<Schema> | null {
  if (cursor === undefined) return null
  try {
    return schema.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString()))
  } catch {
    throw invalid([{ parameter: 'cursor', detail: 'is not a cursor of this list' }])
  }
}

/** Rows of a list, and whether there may be more. */
export type Page<Row> = { rows: Row[]; more: boolean }

/** The most bytes of large values in a page. Reading and writing them blocks the event loop. */
const PAGE_BYTES = 2 ** 20

/**
 * Returns the page that `select` selects, in its order, but no more rows than have 1 MiB together, and at least one.
 * `bytes`: an SQL expression for the size of a row; `limit`: how many rows `select` asks for; `show`: makes what the
 * API shows of a row.
 */
export async function readPage<Row extends object, Shown>(
  sql: Queryable,
  { select, bytes, limit }: { select: Fragment; bytes: Fragment; limit: number },
  show: (row: Row) => Shown,
): Promise<Page<Shown>> {
  const found = await sql<(Row & Place)[]>`
    select * from (
      select *, sum(page_bytes) over (order by page_place) as page_sum
      from (
        select *, row_number() over () as page_place, count(*) over ()::int as page_rows, ${bytes} as page_bytes
        from (${select}) selected
      ) placed
    ) summed
    where page_sum <= ${PAGE_BYTES} or page_place = 1
    order by page_place`
  const rows: Shown[] = []
  const turn = new Turn()
  for (const row of found) {
    if (turn.isOver) await turn.next()
    rows.push(show(withoutPlace(row)))
  }
  // Writing them takes as long again.
  await turn.next()
  return { rows, more: rows.length === limit || rows.length < (found[0]?.page_rows ?? 0) }
}

type Place = { page_place: number; page_rows: number; page_bytes: number; page_sum: number }

/** The cast: without the place's columns it is the row, which TypeScript can't tell of a type that it doesn't know. */
function withoutPlace<Row extends object>(row: Row & Place): Row {
  const { page_place: _1, page_rows: _2, page_bytes: _3, page_sum: _4, ...rest } = row
  return rest as unknown as Row
}
