import type { OidcLogin } from '../../shared/access/session/oidc-login.ts'
import { config } from '../../shared/config.ts'
import { AppError } from '../../shared/errors.ts'
import { issuer } from '../../shared/http/access.ts'

let own: Promise<OidcLogin> | undefined

/** Returns this process's login with the issuer, and PUBLIC_URL. Throws `not_found` if there is none. */
export async function issuerLogin(): Promise<{ login: OidcLogin; publicUrl: string }> {
  const { oidc, publicUrl } = config()
  const verifier = issuer()
  if (!oidc?.login || !verifier || publicUrl === undefined) {
    throw new AppError('not_found', 'nobody can log in with an issuer here, since OIDC_CLIENT_ID is not set')
  }
  const redirectUri = `${publicUrl}/session/oidc/callback`
  const options = { oidc: { ...oidc, login: oidc.login }, redirectUri, verifier }
  // Imported lazily, since most installations have no issuer.
  own ??= import('../../shared/access/session/oidc-login.ts').then((it) => new it.OidcLogin(options))
  return { login: await own, publicUrl }
}
