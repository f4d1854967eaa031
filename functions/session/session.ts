import * as z from 'zod'
import { config } from '../../shared/config.ts'
import { type Caller, isOpen } from '../../shared/http/access.ts'
import { instantOut } from '../../shared/instant.ts'
import { SCOPES } from '../../shared/scope.ts'

export const sessionOut = z
  .object({
    login: z
      .enum(['none', 'key', 'oidc'])
      .describe(
        'How to log in. `none`: no login is needed, since the API has no keys. `key`: with a key. `oidc`: with the OpenID Connect issuer, at `/session/oidc`, or with a key.',
      ),
    name: z
      .string()
      .nullable()
      .describe('The name of the key, or of the person. Null if nobody is logged in.'),
    scope: z.enum(SCOPES).nullable().describe('What the caller may do. Null if nobody is logged in.'),
    expires_at: instantOut
      .nullable()
      .describe('When the session ends if it is not used anymore. Null if there is no session.'),
  })
  .meta({ id: 'Session' })

type Session = Omit<z.output<typeof sessionOut>, 'expires_at'> & { expires_at: Date | null }

/** Returns how to log in, and who is logged in. */
export async function describeSession(caller: Caller | null): Promise<Session> {
  const login = (await isOpen()) ? 'none' : config().oidc?.login ? 'oidc' : 'key'
  const { name = null, scope = null } = caller?.principal ?? {}
  return { login, name, scope, expires_at: caller?.endsAt ?? null }
}
