import type { APIGatewayProxyEventV2 } from 'aws-lambda'
import { issuerBasis } from '../../shared/access/session/issuer-basis.ts'
import { returnUrl } from '../../shared/access/session/return-url.ts'
import { startSession } from '../../shared/access/session/start.ts'
import { config } from '../../shared/config.ts'
import type { Database } from '../../shared/db.ts'
import { noteCaller, sessions } from '../../shared/http/access.ts'
import { clearCookie, readCookie, setCookie } from '../../shared/http/cookie.ts'
import { httpHandler } from '../../shared/http/handler.ts'
import type { Reply } from '../../shared/http/operation.ts'
import { failurePage } from './failure-page.ts'
import { issuerLogin } from './issuer-login.ts'

export const handler = httpHandler(
  {
    tag: 'Session',
    access: 'public',
    summary: 'Finish a login with the OpenID Connect issuer',
    description:
      'The issuer sends browsers here, with a code. Starts a session, which ends after 12 hours, and redirects to the page that the login came from. A browser gets a failed login as a page.',
    responses: {
      303: { description: 'The session has started' },
      401: { description: 'The response does not belong to a login of this browser' },
      403: { description: 'The issuer refused the login, or the person may not use this API' },
      404: { description: 'OIDC_CLIENT_ID is not set' },
    },
  },
  async (_input, { event, sql }) =>
    await logIn(event, sql).catch((error: unknown) => failurePage(event, error)),
)

async function logIn(event: APIGatewayProxyEventV2, sql: Database): Promise<Reply> {
  const { login, publicUrl } = await issuerLogin()
  const { sourceIp } = event.requestContext.http
  const { principal, returnTo } = await login.finish(
    event.rawQueryString,
    readCookie('login', event),
    sourceIp,
  )
  noteCaller(event, principal)
  const { oidc } = config()
  const basis = oidc ? issuerBasis(oidc) : ''
  const holder = { principal, basis, keyId: null, isPerson: true }
  const before = readCookie('session', event)
  const { token } = await startSession(sql, holder, before)
  if (before !== undefined) sessions().forget(before)
  return {
    status: 303,
    body: '',
    headers: { location: returnUrl(publicUrl, returnTo) },
    cookies: [setCookie('session', event, token), clearCookie('login', event)],
  }
}
