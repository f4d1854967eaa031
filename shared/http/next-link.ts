import { type Page, toCursor } from '../page.ts'

/**
 * Returns the `Link` header (RFC 8288) to the next page, with the query of the request; empty if there is none. `keys`:
 * what the list is ordered by, of a row.
 */
export function nextLink<Row>(
  { rawPath, rawQueryString }: { rawPath: string; rawQueryString: string },
  { rows, more }: Page<Row>,
  keys: (row: Row) => unknown,
): Record<string, string> {
  const last = rows.at(-1)
  if (last === undefined || !more) return {}
  const query = new URLSearchParams(rawQueryString ?? '')
  query.set('cursor', toCursor(keys(last)))
  return { link: `<${rawPath}?${query}>; rel="next"` }
}
