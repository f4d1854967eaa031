import fc from 'fast-check'
import { mostly } from './values.ts'

export type Header = [name: string, value: string]

/** Text that a header may contain: no control characters, and nothing beyond Latin-1. */
const headerText = fc.oneof(
  fc.string({ unit: fc.constantFrom(...' \t!"#%\',;=\\~azAZ09\u0080\u00e9\u00ff'), maxLength: 60 }),
  fc.constantFrom('', '*', ',', '"', 'null', 'a'.repeat(3000), '1, 2', '"1", W/"2"', '%00', "'--"),
)

/** Headers that mean something to some server, with usual and odd values. */
export const someHeader = fc.oneof(
  fc.nat().map((it): Header => ['idempotency-key', `key ${it}`]),
  one('if-match', '*', '"1"', '"2"', 'W/"1"', '"1", "2"', '1', '"', '"\u00e9"', `"${'9'.repeat(400)}"`),
  one('idempotency-key', 'k', 'l', 'm', 'a'.repeat(255), 'a'.repeat(256), '\u00e9', ' '),
  one('accept', '*/*', 'text/html', 'application/xml;q=0.9', 'application/json;q=0', 'nope', ';;;'),
  one('accept-encoding', 'gzip', 'br, gzip;q=0', 'identity;q=0, *;q=0', 'gzip, gzip, gzip', 'nope'),
  one('accept-charset', 'utf-16', 'iso-8859-1'),
  one('content-encoding', 'gzip', 'identity', 'br', 'identity, gzip', ''),
  one('content-type', 'text/plain', 'application/json', 'application/problem+json'),
  one('x-http-method-override', 'DELETE', 'PUT', 'GET'),
  one('origin', 'http://127.0.0.1', 'https://example.org', 'null'),
  one('sec-fetch-site', 'cross-site', 'same-origin', 'none', 'same-site'),
  one('x-forwarded-for', '203.0.113.9', '127.0.0.1', 'a, b, c', '::1'),
  one('x-forwarded-proto', 'https', 'gopher'),
  one('forwarded', 'for=127.0.0.1;host=evil', 'nope'),
  one('x-forwarded-host', 'evil.example'),
  one('x-original-url', '/docs', '/tasks?all=true'),
  one('if-none-match', '*', '"1"'),
  one('if-modified-since', 'Thu, 01 Jan 1970 00:00:00 GMT', 'nope'),
  one('range', 'bytes=0-0', 'bytes=-1', 'bytes=0-0,1-1', 'nope'),
  one('cookie', 'a=b', '=', ';;;;', '__proto__=1', 'a'.repeat(3000)),
  one('authorization', 'Bearer nope', 'Basic Og==', 'Bearer ', 'bearer ~key~'),
  one('te', 'trailers', 'gzip'),
  one('traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', 'nope'),
  one('x-request-id', 'mine', 'a'.repeat(500)),
  one('__proto__', 'a'),
  one('constructor', 'a'),
  one('connection', 'close', 'keep-alive', 'x-api-key', 'content-length'),
)

function one(name: string, ...values: string[]): fc.Arbitrary<Header> {
  return mostly(5, fc.constantFrom(...values), headerText).map((it): Header => [name, it])
}

/** The headers that carry the key: nearly always the right one. */
export const keyHeaders = mostly<Header[]>(
  16,
  fc.constant([['x-api-key', '~key~']]),
  fc.oneof(
    fc.constant<Header[]>([]),
    fc.constantFrom('', 'wrong', '~key~x', '\u00e9'.repeat(100)).map((it): Header[] => [['x-api-key', it]]),
    fc.constantFrom('wrong', '~key~').map((it): Header[] => [
      ['x-api-key', it],
      ['X-API-KEY', '~key~'],
    ]),
  ),
)
