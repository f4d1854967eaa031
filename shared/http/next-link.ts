import { type Page, toCursor } from '../page.ts'
import { toLink } from './link.ts'

/**
 * Returns the `Link` header (RFC 8288) for the next page, or no header if there is no next page. The link keeps the
 * request's query. `keys` returns a row's sort keys.
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
  return { link: `<${toLink(rawPath)}?${query}>; rel="next"` }
}
