import * as z from 'zod'
import { checkLoginOrigin } from '../../shared/access/origin.ts'
import { earlier } from '../../shared/access/session/sessions.ts'
import { startSession } from '../../shared/access/session/start.ts'
import { config } from '../../shared/config.ts'
import { logInWithKey, sessions } from '../../shared/http/access.ts'
import { readCookie, setCookie } from '../../shared/http/cookie.ts'
import { httpHandler } from '../../shared/http/handler.ts'
import { describeSession, sessionOut } from './session.ts'

const loginIn = z.strictObject({
  key: z.string().min(1).max(8192).describe('An API key. Its session can do what the key can.'),
})

export const handler = httpHandler(
  {
    tag: 'Session',
    access: 'public',
    summary: 'Log in with a key',
    description:
      'Starts a session, whose cookie then takes the place of the key. The session ends with the key, after 12 hours without use, or by logging out. With the cookie, only pages of this API may change anything. A session that the browser already has ends.',
    body: loginIn,
    // Anyone may send this body, so it gets less memory than the bodies of callers with a key.
    bodyLimit: 16_384,
    example: { key: 'tsk_1_…' },
    responses: {
      201: { description: 'The session has started', body: sessionOut },
      401: { description: 'The key is invalid' },
      403: { description: 'The request comes from a page of another origin' },
      409: { description: 'The API has no keys, so no login is needed' },
    },
  },
  async ({ body }, { event, sql }) => {
    checkLoginOrigin(event.headers, config())
    const { holder, expiresAt } = await logInWithKey(event, body.key)
    const before = readCookie('session', event)
    const { token, endsAt } = await startSession(sql, holder, before)
    if (before !== undefined) sessions().forget(before)
    const caller = { principal: holder.principal, endsAt: earlier(endsAt, expiresAt) }
    return { status: 201, body: await describeSession(caller), cookies: [setCookie('session', event, token)] }
  },
)
