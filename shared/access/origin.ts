import { hostname, networkInterfaces } from 'node:os'
import { AppError } from '../errors.ts'
import { isLoopback } from '../listen-host.ts'

type Headers = Readonly<Record<string, string | undefined>>

/** A name or an IPv4 address, or an IPv6 address in brackets, and optionally a port. Not user@host or host/path. */
const HOST = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d+)?$/i

const SAFE_METHODS = ['GET', 'HEAD', 'OPTIONS']

/** What a browser says about the page that sends a request, and what is allowed. */
export type OriginRules = { publicUrl: string | undefined; corsOrigins: readonly string[] }

/**
 * Throws `forbidden` if a page from another origin tries to change something. A browser sends requests on behalf of any
 * page, even to APIs on this machine or through a proxy that adds a key. Browsers say where a request comes from; other
 * clients say nothing. Another port of the same host is another origin too.
 */
export function checkOrigin(method: string, headers: Headers, rules: OriginRules): void {
  if (SAFE_METHODS.includes(method)) return
  const { origin, 'sec-fetch-site': site } = headers
  if (origin !== undefined && rules.corsOrigins.includes(origin)) return
  if (origin !== undefined && !isOwnOrigin(origin, headers, rules)) {
    throw new AppError('forbidden', `pages from ${JSON.stringify(origin)} may not change anything here`)
  }
  if (site === undefined || site === 'same-origin' || site === 'none') return
  throw new AppError('forbidden', 'pages from other sites may not change anything here')
}

/**
 * Throws `forbidden` unless a request with a session's cookie may do what it asks for. Browsers add the cookie by
 * themselves, so a change needs a browser's word that a page of this API asks for it. Pages from CORS_ORIGINS must send
 * a key.
 */
export function checkSessionOrigin(method: string, headers: Headers, rules: OriginRules): void {
  const { origin, 'sec-fetch-site': site } = headers
  if (SAFE_METHODS.includes(method) || ((origin ?? site) !== undefined && isOwnPage(headers, rules))) return
  throw new AppError(
    'forbidden',
    'with a session, only pages of this API may change anything (by Origin or Sec-Fetch-Site); others must send a key',
  )
}

/** Throws `forbidden` if a page that isn't this API's tries to log in. A client that isn't a browser may. */
export function checkLoginOrigin(headers: Headers, rules: OriginRules): void {
  if (isOwnPage(headers, rules)) return
  throw new AppError('forbidden', 'only pages of this API may log in')
}

/** Returns whether nothing that a browser says about the page speaks against its being this API's. */
function isOwnPage(headers: Headers, rules: OriginRules): boolean {
  const { origin, 'sec-fetch-site': site } = headers
  if (origin !== undefined && !isOwnOrigin(origin, headers, rules)) return false
  return site === undefined || site === 'same-origin'
}

/** Returns whether a page's origin is the API's own: PUBLIC_URL's, or the one that the request was sent to. */
function isOwnOrigin(origin: string, headers: Headers, { publicUrl }: OriginRules): boolean {
  if (publicUrl !== undefined) return origin === new URL(publicUrl).origin
  const parsed = URL.parse(origin)
  return parsed !== null && parsed.origin === origin && parsed.host === hostOf(headers.host, parsed.protocol)
}

/** Returns a Host header without the scheme's default port, in lower case, as in URLs. */
const hostOf = (host: string | undefined, protocol: string): string | undefined =>
  HOST.test(host ?? '') ? URL.parse(`${protocol}//${host}`)?.host : undefined

/**
 * Throws `forbidden` if a request to an API without keys is addressed to a name that isn't this machine's. Otherwise
 * any page could let its own host name resolve to 127.0.0.1, and then read and change everything (DNS rebinding).
 */
export function checkHost(host: string | undefined, allowed: readonly string[]): void {
  const name = (HOST.test(host ?? '') && URL.parse(`http://${host}`)?.hostname) || ''
  if (isOwnName(name) || allowed.includes(name)) return
  throw new AppError(
    'forbidden',
    `without a key, this API can't be called as ${JSON.stringify(host ?? '')}; set API_KEY, or ALLOWED_HOSTS`,
  )
}

function isOwnName(name: string): boolean {
  if (name.endsWith('.localhost') || name === hostname().toLowerCase()) return true
  const address = name.replace(/^\[(.*)\]$/, '$1')
  return isLoopback(address) || ownAddresses().includes(address)
}

const ownAddresses = (): string[] =>
  Object.values(networkInterfaces()).flatMap((list) => list?.map(({ address }) => address) ?? [])
