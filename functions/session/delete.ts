import { checkSessionOrigin } from '../../shared/access/origin.ts'
import { endSession } from '../../shared/access/session/start.ts'
import { config } from '../../shared/config.ts'
import { sessions } from '../../shared/http/access.ts'
import { clearCookie, readCookie } from '../../shared/http/cookie.ts'
import { httpHandler } from '../../shared/http/handler.ts'
import { describeSession, sessionOut } from './session.ts'

export const handler = httpHandler(
  {
    tag: 'Session',
    access: 'public',
    summary: 'Log out',
    description:
      'Ends the session of this browser, in all its tabs. All processes stop accepting it within 10 seconds. Does nothing without a session.',
    responses: {
      200: { description: 'Nobody is logged in with this cookie anymore', body: sessionOut },
      403: { description: 'The request does not come from a page of this API' },
    },
  },
  async (_input, { event, sql }) => {
    const token = readCookie('session', event)
    if (token !== undefined) checkSessionOrigin('DELETE', event.headers, config())
    // Made-up tokens don't reach the table: only their lookup does, together with others.
    if (token !== undefined && (await sessions().find(token))) {
      await endSession(sql, token)
      sessions().forget(token)
    }
    return { status: 200, body: await describeSession(null), cookies: [clearCookie('session', event)] }
  },
)
