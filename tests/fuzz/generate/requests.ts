import fc from 'fast-check'
import { bodySchema, type Operation, operations } from '../document.ts'
import { bodyOf } from './bodies.ts'
import { type Header, keyHeaders, someHeader } from './headers.ts'
import { pathOf, pathTrick, queryOf } from './targets.ts'
import { mostly } from './values.ts'

/**
 * A request as it is sent, but with placeholders such as `~key~`, `~tasks0~` and `~cursor1~`. The client replaces them
 * with the API key, and with ids and cursors from recent responses.
 */
export type FuzzRequest = {
  method: string
  /** Path and query, already percent-encoded. */
  target: string
  headers: Header[]
  body: string | Buffer | undefined
}

const methods = fc.constantFrom(
  ...['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE'],
  ...['TRACE', 'PROPFIND', 'PURGE', 'SEARCH', 'LOCK', 'QUERY'],
)

const asIs = (path: string): string => path

/** Returns requests for an operation. Most of them differ from a valid request in at most one way. */
function requestOf(operation: Operation): fc.Arbitrary<FuzzRequest> {
  return fc
    .record({
      method: mostly(16, fc.constant(operation.method), methods),
      path: pathOf(operation),
      trick: mostly(16, fc.constant(asIs), pathTrick),
      query: queryOf(operation),
      key: keyHeaders,
      headers: mostly(4, fc.constant<Header[]>([]), fc.array(someHeader, { minLength: 1, maxLength: 3 })),
      content: bodyOf(operation),
    })
    .map(({ method, path, trick, query, key, headers, content }) => ({
      method,
      target: query === '' ? trick(path) : `${trick(path)}?${query}`,
      headers: [...key, ...content.headers, ...headers],
      body: content.body,
    }))
}

function weightOf(operation: Operation): number {
  if (operation.method === 'DELETE') return 1
  if (bodySchema(operation)) return 4
  return operation.security.length > 0 ? 2 : 1
}

/** Requests for every operation of `openapi.json`. Those with a body are the most frequent. */
export const requests: fc.Arbitrary<FuzzRequest> = fc.oneof(
  ...operations.map((it) => ({ weight: weightOf(it), arbitrary: requestOf(it) })),
)
