import type { APIGatewayProxyEventV2 } from 'aws-lambda'
import { AppError } from '../../shared/errors.ts'
import { clearCookie } from '../../shared/http/cookie.ts'
import { toLink } from '../../shared/http/link.ts'
import type { Reply } from '../../shared/http/operation.ts'
import { STATUS_OF } from '../../shared/http/problem.ts'

/**
 * Returns a page that says why a login failed. Throws the error if it is a bug, if nobody can log in with an issuer, or
 * if the client wants no page.
 */
export function failurePage(event: APIGatewayProxyEventV2, error: unknown): Reply {
  if (!(error instanceof AppError) || error.code === 'not_found') throw error
  if (!event.headers.accept?.includes('text/html')) throw error
  const { code, message, retryAfterSeconds } = error
  const body = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Login failed</title>
<h1>Login failed</h1>
<p>${escaped(message)}</p>
<p><a href="${escaped(toLink('/session/oidc'))}">Log in again</a></p>
</html>
`
  return {
    status: STATUS_OF[code],
    body,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      ...(retryAfterSeconds !== undefined && { 'retry-after': String(retryAfterSeconds) }),
    },
    cookies: [clearCookie('login', event)],
  }
}

const escaped = (text: string): string =>
  text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
