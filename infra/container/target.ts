// Letters, digits, `-`, `.`, `_` and `~` (RFC 3986, 2.3).
const unreserved = /%(?:2[DE]|3\d|4[1-9A-F]|5[\dAF]|6[1-9A-F]|7[\dAE])/gi
const malformed = /%(?![\dA-F]{2})/i

/**
 * Returns a request's target as a path and a query. The origin of an absolute URL is removed, because Express responds
 * with HTML, before any route runs, if it can't parse the URL (http://[::bad/). Unreserved characters in the path are
 * decoded, so that equivalent paths lead to the same route (RFC 3986, 6.2.2.2). All others stay encoded, and are
 * decoded once, with the parameters. A malformed path stays as it is, since `%%37%34` would turn into an encoded
 * character.
 */
export const normalize = (target: string): string => {
  const local = target.startsWith('/') ? target : target.replace(/^[a-z]+:\/\/[^/?#]*\/?/i, '/')
  if (!local.includes('%')) return local
  const mark = local.indexOf('?')
  const path = mark === -1 ? local : local.slice(0, mark)
  return malformed.test(path) ? local : decodeUnreserved(path) + local.slice(path.length)
}

const decodeUnreserved = (path: string): string =>
  path.replaceAll(unreserved, (code) => String.fromCharCode(Number.parseInt(code.slice(1), 16)))
