import { type Page, toCursor } from '../page.ts'

/**
 * The `Link` header (RFC 8288) to what comes after a page, with the request's own query; none when nothing does.
 * `keys` are what the list is ordered by, from its last row.
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
