import { findCaller } from '../../shared/http/access.ts'
import { httpHandler } from '../../shared/http/handler.ts'
import { describeSession, sessionOut } from './session.ts'

export const handler = httpHandler(
  {
    tag: 'Session',
    access: 'public',
    summary: 'Show who is logged in',
    description:
      'Returns how to log in, and who sends the request: by the key in its headers, or else by the session in its cookie. A session that has ended counts as none.',
    responses: {
      200: { description: 'How to log in, and who is logged in', body: sessionOut },
      401: { description: 'The key in the headers is invalid' },
    },
  },
  async (_input, { event }) => ({ status: 200, body: await describeSession(await findCaller(event)) }),
)
