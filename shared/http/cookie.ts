import type { APIGatewayProxyEventV2 } from 'aws-lambda'
import { config } from '../config.ts'

/** `session`: the token of a session. `login`: what must still be known when the issuer sends the browser back. */
const COOKIES = {
  session: { name: 'tsk_session', attributes: 'HttpOnly; SameSite=Strict' },
  // Lax, since it is the issuer's page that leads back here.
  login: { name: 'tsk_login', attributes: 'HttpOnly; SameSite=Lax; Max-Age=600' },
}

type Cookie = keyof typeof COOKIES

/**
 * Returns a cookie's value. If there are several cookies of this name with different values, returns none, since
 * another site of the same domain may have added one.
 */
export function readCookie(cookie: Cookie, event: APIGatewayProxyEventV2): string | undefined {
  // API Gateway and the container pass cookies in `cookies`, serverless-offline in the header.
  const all = [...(event.cookies ?? []), ...(event.headers.cookie?.split(/; */) ?? [])]
  const start = `${placeOf(cookie, event).name}=`
  const values = new Set(all.filter((it) => it.startsWith(start)).map((it) => it.slice(start.length)))
  const [value] = values
  return values.size === 1 ? value : undefined
}

/** Returns the `Set-Cookie` that stores a value, until the browser is closed or the cookie is no longer needed. */
export function setCookie(cookie: Cookie, event: APIGatewayProxyEventV2, value: string): string {
  const { name, path, isSecure } = placeOf(cookie, event)
  return `${name}=${value}; Path=${path}; ${COOKIES[cookie].attributes}${isSecure ? '; Secure' : ''}`
}

/** Returns the `Set-Cookie` that removes a cookie. */
export const clearCookie = (cookie: Cookie, event: APIGatewayProxyEventV2): string =>
  `${setCookie(cookie, event, '').replace(/; Max-Age=\d+/, '')}; Max-Age=0`

/**
 * Returns a cookie's name and path. Behind TLS, a prefix of the name makes browsers refuse the cookie from anyone on
 * the network, and without a path in PUBLIC_URL also from other hosts of the domain (RFC 6265bis, 4.1.3).
 */
function placeOf(cookie: Cookie, { headers }: APIGatewayProxyEventV2) {
  const { publicUrl } = config()
  const path = publicUrl === undefined ? '/' : new URL(publicUrl).pathname
  const isTls =
    publicUrl === undefined ? isForwardedTls(headers['x-forwarded-proto']) : publicUrl.startsWith('https:')
  const prefix = isTls ? (path === '/' ? '__Host-' : '__Secure-') : ''
  // A proxy may not say that there is TLS in front of it, but the browser's own page does.
  const isSecure = isTls || headers.origin?.startsWith('https:') === true
  return { name: prefix + COOKIES[cookie].name, path, isSecure }
}

/**
 * Returns whether the first proxy got the request by TLS. API Gateway always says so. No page can make a browser send
 * this header, so a client can only deceive itself.
 */
const isForwardedTls = (proto: string | undefined): boolean => proto?.split(',', 1)[0]?.trim() === 'https'
