/**
 * A request that servers read in different ways. `text` puts another request where some of them would expect one.
 * `statuses`: the statuses of the right responses, including a 200 for a request that follows. If there is no such 200,
 * the connection must be closed, since nobody can tell where the next request starts.
 */
export type Shape = [title: string, statuses: number[], text: (hidden: string) => string]

type Text = Shape[2]

const CHUNKED = 'Transfer-Encoding: chunked'

const size = (text: string): number => Buffer.byteLength(text)

/** Returns text as a chunked body. */
const chunks = (text: string): string => `${size(text).toString(16)}\r\n${text}\r\n0\r\n\r\n`

const LINE = 'POST /schedules/preview HTTP/1.1'
const HEADERS = ['Host: a', 'X-Api-Key: chaos', 'Content-Type: application/json']

/** Returns a request that takes a JSON body. A server that reads the hidden request as its body responds with 422. */
const post = (headers: string[], body: string, line = LINE): string =>
  [line, ...HEADERS, ...headers, '', body].join('\r\n')

/** The hidden request follows the head. */
const after =
  (headers: string[], line?: string): Text =>
  (hidden) =>
    post(headers, hidden, line)

/** The hidden request is the body, by its length. */
const sized =
  (headers: string[], line?: string): Text =>
  (hidden) =>
    post([...headers, `Content-Length: ${size(hidden)}`], hidden, line)

/** The hidden request is the body, as a chunk. */
const chunked =
  (headers: string[], line?: string): Text =>
  (hidden) =>
    post(headers, chunks(hidden), line)

/** The hidden request follows these chunks. */
const afterChunks =
  (body: string): Text =>
  (hidden) =>
    post([CHUNKED], body + hidden)

/** Both lengths at once. Where the body ends depends on which of them a server ignores. */
const bothLengths: Shape[] = [
  [
    'Content-Length before chunked',
    [400],
    (it) => post([`Content-Length: ${size(it) + 5}`, CHUNKED], `0\r\n\r\n${it}`),
  ],
  ['chunked before Content-Length', [400], chunked([CHUNKED, 'Content-Length: 4'])],
  ['chunked with Content-Length 0', [400], chunked(['Content-Length: 0', CHUNKED])],
  ['identity with Content-Length', [400], sized(['Transfer-Encoding: identity'])],
  ['an empty Transfer-Encoding with Content-Length', [400], sized(['Transfer-Encoding:'])],
  ['gzip with Content-Length', [400], sized(['Transfer-Encoding: gzip'])],
]

/** Transfer-Encoding, written so that only some servers see it. */
const encodings: Shape[] = [
  ...[
    ...[
      'xchunked',
      'chunked, identity',
      'identity',
      'gzip',
      '"chunked"',
      'chunked;q=1',
      'chunked x',
      '\x0bchunked',
    ],
    ...['\0chunked', 'chunked\0', 'chunked\x01', '', 'chunke\u00e4', 'chunked, chunked'],
  ].map(
    (it): Shape => [`Transfer-Encoding: ${JSON.stringify(it)}`, [400], chunked([`Transfer-Encoding: ${it}`])],
  ),
  ['CHUNKED', [422, 200], chunked(['Transfer-Encoding: CHUNKED'])],
  ['chunked after a tab', [422, 200], chunked(['Transfer-Encoding:\tchunked'])],
  ['identity, chunked', [422, 200], chunked(['Transfer-Encoding: identity, chunked'])],
  ['chunked in two lines', [400], chunked([CHUNKED, CHUNKED])],
  ['chunked, then identity, in two lines', [400], chunked([CHUNKED, 'Transfer-Encoding: identity'])],
  ['Transfer-Encoding with a space before the colon', [400], chunked(['Transfer-Encoding : chunked'])],
  ['Transfer-Encoding with an underscore', [422, 200], sized(['Transfer_Encoding: chunked'])],
  ['a folded Transfer-Encoding', [400], chunked(['Transfer-Encoding:', ' chunked'])],
  ['a folded second value', [400], chunked([CHUNKED, '\t, identity'])],
  ['Transfer-Encoding as a folded line', [400], sized(['X: x', ' Transfer-Encoding: chunked'])],
  ['Transfer-Encoding behind a bare LF', [400], sized(['X: x\nTransfer-Encoding: chunked'])],
  ['Transfer-Encoding behind a bare CR', [400], sized(['X: x\rTransfer-Encoding: chunked'])],
  [
    'chunks on HTTP/1.0',
    [422],
    chunked([CHUNKED, 'Connection: keep-alive'], 'POST /schedules/preview HTTP/1.0'),
  ],
  ['chunks on a GET', [200, 200], chunked([CHUNKED], 'GET /healthz HTTP/1.1')],
]

/** Content-Length, written so that servers read different numbers. */
const lengths: Shape[] = [
  ...[
    ...['+5', '-1', '0x10', '1e1', '5 5', '5, 6', '5;a', '5,', '', '5\0', '\uff15'],
    ...['99999999999999999999', '18446744073709551621'],
  ].map((it): Shape => [`Content-Length: ${JSON.stringify(it)}`, [400], after([`Content-Length: ${it}`])]),
  ['the same Content-Length twice', [400], (it) => post(Array(2).fill(`Content-Length: ${size(it)}`), it)],
  ['a list of Content-Lengths', [400], (it) => post([`Content-Length: ${size(it)}, ${size(it)}`], it)],
  ['two different Content-Lengths', [400], sized(['Content-Length: 0'])],
  ['Content-Length with leading zeros', [422, 200], (it) => post([`Content-Length: 000${size(it)}`], it)],
  ['Content-Length with a space before the colon', [400], (it) => post([`Content-Length : ${size(it)}`], it)],
  ['a folded Content-Length', [400], (it) => post(['Content-Length:', ` ${size(it)}`], it)],
  ['a body of a GET', [200, 200], sized([], 'GET /healthz HTTP/1.1')],
  ['a body of a HEAD', [200, 200], sized([], 'HEAD /healthz HTTP/1.1')],
  ['a body of a DELETE', [405, 200], sized([], 'DELETE /schedules/preview HTTP/1.1')],
  ['Content-Length after 2,000 other headers', [431], sized(Array(2000).fill('a:'))],
  ['a Content-Length that Connection names', [422, 200], sized(['Connection: content-length'])],
]

/** Ends of lines and of the head. */
const lineEnds: Shape[] = [
  [
    'bare LF everywhere',
    [400],
    (it) => post([`Content-Length: ${size(it)}`], '').replaceAll('\r\n', '\n') + it,
  ],
  ['a bare LF after the request line', [400], (it) => post([], it).replace('\r\n', '\n')],
  ['a bare LF at the end of the head', [400], (it) => `${LINE}\r\nHost: a\r\n\n${it}`],
  ['a bare CR as the end of a line', [400], (it) => `${LINE}\rHost: a\r\r${it}`],
  ['CR CR LF', [400], (it) => `${LINE}\r\r\nHost: a\r\r\n\r\r\n${it}`],
  ['a CRLF before the request line', [422, 200], () => `\r\n${post(['Content-Length: 0'], '')}`],
]

/** Header lines that aren't valid headers. */
const headers: Shape[] = [
  ...[
    'X: a\0b',
    'X: a\x01b',
    'X: a\rb',
    'X\0: a',
    ': a',
    'nonsense',
    'X Y: a',
    'X : a',
    '\u00e4: a',
    'X\t: a',
  ].map((it): Shape => [`the header ${JSON.stringify(it)}`, [400], after([it])]),
  ['a first header that starts with a space', [400], (it) => `${LINE}\r\n X: a\r\nHost: a\r\n\r\n${it}`],
  ['17 KiB in a header', [431], after([`X: ${'x'.repeat(17_408)}`])],
]

/** Chunks whose size or terminator is interpreted differently by different servers. */
const chunkEnds: Shape[] = [
  ['a chunk extension', [422, 200], (it) => post([CHUNKED], chunks(it).replace('\r\n', ';a=b\r\n'))],
  [
    'a quoted chunk extension',
    [422, 200],
    (it) => post([CHUNKED], chunks(it).replace('\r\n', ';a="b;c"\r\n')),
  ],
  ['a chunk extension with a bare LF', [400], afterChunks('5;a\nhello\r\n0\r\n\r\n')],
  ['a chunk extension with a bare CR', [400], afterChunks('5;a\rb\r\nhello\r\n0\r\n\r\n')],
  ['a long chunk extension', [413], afterChunks(`5;${'a'.repeat(20_000)}\r\nhello\r\n0\r\n\r\n`)],
  ['a chunk size with leading zeros', [422, 200], (it) => post([CHUNKED], `000${chunks(it)}`)],
  ...[
    ...[
      'FFFFFFFFFFFFFFFFF',
      '10000000000000005',
      '-5',
      '+5',
      '0x5',
      ' 5',
      '5 ',
      '5\t',
      '',
      'g',
      '5,5',
      '5\0',
    ],
  ].map(
    (it): Shape => [
      `a chunk of size ${JSON.stringify(it)}`,
      [400],
      afterChunks(`${it}\r\nhello\r\n0\r\n\r\n`),
    ],
  ),
  ['a chunk size with a bare LF', [400], afterChunks('5\nhello\r\n0\r\n\r\n')],
  ['a last chunk with bare LFs', [400], afterChunks('5\r\nhello\r\n0\n\n')],
  ['a chunk without an end of line', [400], afterChunks('5\r\nhello0\r\n\r\n')],
  ['a chunk that ends with a bare LF', [400], afterChunks('5\r\nhello\n0\r\n\r\n')],
  ['a chunk that ends with two other characters', [400], afterChunks('5\r\nhelloxx0\r\n\r\n')],
  ['a chunk that is longer than its size', [400], afterChunks('2\r\nhello\r\n0\r\n\r\n')],
  ['the hidden request as a trailer', [400], afterChunks('5\r\nhello\r\n0\r\n')],
  [
    'a length in the trailer',
    [400],
    (it) => post([CHUNKED], chunks(it).replace(/\r\n$/, 'Content-Length: 9\r\n\r\n')),
  ],
  [
    'Host in the trailer',
    [422, 200],
    (it) => post([CHUNKED], chunks(it).replace(/\r\n$/, 'Host: b\r\n\r\n')),
  ],
]

/** Request lines and hosts. */
const lines: Shape[] = [
  ...[
    ...['POST /tasks HTTP/1.2', 'POST /tasks http/1.1', 'POST /tasks HTTP/01.1'],
    ...[
      'POST /tasks HTTP/1.1 x',
      'POST /tasks HTTP/1,1',
      'POST /tasks x HTTP/1.1',
      'post /tasks HTTP/1.1',
      'POST',
    ],
    ...[
      'P\u00d6ST /tasks HTTP/1.1',
      ' POST /tasks HTTP/1.1',
      'POST\t/tasks\tHTTP/1.1',
      'POST /ta\rsks HTTP/1.1',
    ],
    ...['POST /ta\0sks HTTP/1.1', 'POST tasks HTTP/1.1', 'NOPE /tasks HTTP/1.1'],
  ].map((it): Shape => [`the line ${JSON.stringify(it)}`, [400], sized([], it)]),
  ['a POST of HTTP/0.9', [422], sized([], 'POST /schedules/preview')],
  ['a POST of HTTP/2.0', [422], sized([], 'POST /schedules/preview HTTP/2.0')],
  ['HTTP/0.9', [400], (it) => `GET /healthz\r\n${it}`],
  ['the preface of HTTP/2', [400], (it) => `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${it}`],
  [
    'HTTP/1.0 with keep-alive',
    [422, 200],
    sized(['Connection: keep-alive'], 'POST /schedules/preview HTTP/1.0'),
  ],
  ['HTTP/1.0 without keep-alive', [422], after([], 'POST /schedules/preview HTTP/1.0')],
  ['Connection: close', [422], after(['Connection: close'])],
  ['an absolute target with another host', [422, 200], sized([], 'POST http://b/schedules/preview HTTP/1.1')],
  ['an absolute target of another scheme', [422, 200], sized([], 'POST ftp://b/schedules/preview HTTP/1.1')],
  ['CONNECT', [], after([], 'CONNECT a:80 HTTP/1.1')],
  ['OPTIONS *', [404, 200], sized([], 'OPTIONS * HTTP/1.1')],
  ['POST *', [404, 200], sized([], 'POST * HTTP/1.1')],
  ['a fragment in the target', [422, 200], sized([], 'POST /schedules/preview#/tasks HTTP/1.1')],
  ['a target of 20 KiB', [431], after([], `POST /${'a'.repeat(20_480)} HTTP/1.1`)],
  ['two hosts', [400], sized(['Host: b'])],
  ['the same host twice', [400], sized(['Host: a'])],
  ['no host', [400], (it) => `${LINE}\r\nContent-Length: ${size(it)}\r\n\r\n${it}`],
]

/** Requests to wait, or to switch to another protocol. */
const switches: Shape[] = [
  ['Expect: 100-continue', [422, 200], sized(['Expect: 100-continue'])],
  ['Expect: 100-continue with chunks', [422, 200], chunked(['Expect: 100-continue', CHUNKED])],
  ['another Expect', [417, 200], sized(['Expect: cake'])],
  [
    'Upgrade: h2c',
    [422],
    sized(['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk']),
  ],
  [
    'Upgrade: websocket',
    [200],
    sized(['Connection: Upgrade', 'Upgrade: websocket'], 'GET /healthz HTTP/1.1'),
  ],
  ['Upgrade: TLS', [200], sized(['Connection: Upgrade', 'Upgrade: TLS/1.2'], 'GET /healthz HTTP/1.1')],
  ['Connection: Transfer-Encoding', [422, 200], chunked(['Connection: Transfer-Encoding', CHUNKED])],
]

export const shapes: Shape[] = [
  ...[...bothLengths, ...encodings, ...lengths, ...lineEnds],
  ...[...headers, ...chunkEnds, ...lines, ...switches],
]

/** Incomplete shapes: the server waits for the rest until the client hangs up. */
export const unfinished: Shape[] = [
  ['a Content-Length beyond the end', [400], (it) => post([`Content-Length: ${size(it) + 1000}`], it)],
  ['no last chunk', [400], (it) => post([CHUNKED], chunks(it).replace(/0\r\n\r\n$/, ''))],
  ['a chunk beyond the end', [400], afterChunks('fffff\r\n')],
  ['a head without an end', [400], () => `${LINE}\r\nHost: a\r\nX: `],
]
