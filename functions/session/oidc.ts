import * as z from 'zod'
import { returnPath } from '../../shared/access/session/return-url.ts'
import { setCookie } from '../../shared/http/cookie.ts'
import { httpHandler } from '../../shared/http/handler.ts'
import { issuerLogin } from './issuer-login.ts'

export const handler = httpHandler(
  {
    tag: 'Session',
    access: 'public',
    summary: 'Log in with the OpenID Connect issuer',
    description:
      'Sends a browser to the issuer, which sends it back to `/session/oidc/callback`. To be opened as a page, not fetched.',
    query: z.strictObject({
      return_to: returnPath
        .default('/')
        .describe('The path to go to after the login, such as `/?state=failing`.'),
    }),
    responses: {
      303: { description: 'Redirect to the issuer' },
      404: { description: 'OIDC_CLIENT_ID is not set' },
    },
  },
  async ({ query }, { event }) => {
    const { login } = await issuerLogin()
    const { url, attempt } = await login.start(query.return_to)
    return {
      status: 303,
      body: '',
      headers: { location: url },
      cookies: [setCookie('login', event, attempt)],
    }
  },
)
