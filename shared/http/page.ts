import * as z from 'zod'
import type { Fragment, Queryable } from '../db.ts'
import { invalid } from '../errors.ts'
import { digits } from './parse.ts'

const PAGE_LIMIT = 1000

/** The parameters of every list. */
export const pageQuery = {
  limit: digits(z.int().min(1).max(PAGE_LIMIT))
    .default(PAGE_LIMIT)
    .describe(`Rows of a page; ${PAGE_LIMIT} when left out`),
  cursor: z.string().max(200).optional().describe('From the Link header of the page before'),
}

/** What clients ask for. Any other stays a parameter, since a connection keeps each statement that it has prepared. */
const USUAL_LIMITS = [10, 20, 25, 50, 100, 200, 250, 500, PAGE_LIMIT]

/**
 * The limit of a page. In the statement itself for a list that nothing filters: when PostgreSQL doesn't know how few rows are wanted, it plans anew for each
 * call, which takes several times as long as the page. With filters a plan had better know their values.
 */
export function pageLimit(
  sql: Queryable,
  { limit, cursor: _, ...filters }: { limit: number; cursor?: string | undefined },
): Fragment {
  const isPlain = Object.values(filters).every((it) => it === undefined) && USUAL_LIMITS.includes(limit)
  return isPlain ? sql.unsafe(String(limit)) : sql`${limit}`
}

/** Returns the cursor after a row with these keys, by which its list is ordered. */
export const toCursor = (keys: unknown): string => Buffer.from(JSON.stringify(keys)).toString('base64url')

/** Reads a cursor made by `toCursor`: the keys of the last row of the page before. Throws `invalid`. */
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

/**
 * The `Link` header (RFC 8288) to the page after `rows`, with the request's own query; none when the page isn't full.
 * `keys` are what the list is ordered by, from its last row.
 */
export function nextLink<Row>(
  { rawPath, rawQueryString }: { rawPath: string; rawQueryString: string },
  rows: Row[],
  limit: number,
  keys: (row: Row) => unknown,
): Record<string, string> {
  const last = rows.at(-1)
  if (last === undefined || rows.length < limit) return {}
  const query = new URLSearchParams(rawQueryString ?? '')
  query.set('cursor', toCursor(keys(last)))
  return { link: `<${rawPath}?${query}>; rel="next"` }
}
