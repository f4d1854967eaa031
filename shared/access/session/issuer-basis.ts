import type { Config } from '../../config.ts'

/** Returns what the sessions of people depend on. If one of these settings changes, they have to sign in again. */
export const issuerBasis = ({
  issuer,
  audience,
  scopes,
  claim,
  login,
}: NonNullable<Config['oidc']>): string =>
  JSON.stringify([issuer, audience, Object.entries(scopes).sort(), claim, login?.clientId])
