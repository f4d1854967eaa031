import * as z from 'zod'
import { SCOPES, type Scope } from './scope.ts'

/** No `HS…`: whoever knows a shared secret can sign tokens as well as verify them. */
export const ALGORITHMS = [
  ...(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const),
  ...(['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'] as const),
]

/** Parses `admin=platform-team,read=*`. Returns the scope for each value. */
export const scopeOfValue = z.string().transform((text, context): Record<string, Scope> => {
  const pairs = text.split(',').map((pair): [value: string, scope: string] => {
    const at = pair.indexOf('=')
    return [pair.slice(at + 1).trim(), pair.slice(0, Math.max(at, 0)).trim()]
  })
  const isPair = (pair: [string, string]): pair is [string, Scope] =>
    pair[0] !== '' && (SCOPES as readonly string[]).includes(pair[1])
  const scopes = pairs.filter(isPair)
  const values = new Set(pairs.map(([value]) => value))
  if (scopes.length < pairs.length) {
    context.addIssue(`must be scope=value,scope=value,…, where each scope is one of ${SCOPES.join(', ')}`)
  } else if (values.size < pairs.length) {
    context.addIssue('must name each value only once, since each scope includes those before it')
  }
  return Object.fromEntries(scopes)
})

/** Returns the settings of the OpenID Connect issuer, or undefined if there is none. Throws if only some are set. */
export function readOidc(values: {
  OIDC_ISSUER?: string | undefined
  OIDC_AUDIENCE?: string | undefined
  OIDC_SCOPES?: Record<string, Scope> | undefined
  OIDC_SCOPE_CLAIM: string
  OIDC_ALGORITHM: (typeof ALGORITHMS)[number]
}) {
  const { OIDC_ISSUER: issuer, OIDC_AUDIENCE: audience, OIDC_SCOPES: scopes } = values
  if (issuer !== undefined && audience !== undefined && scopes !== undefined) {
    return { issuer, audience, scopes, claim: values.OIDC_SCOPE_CLAIM, algorithms: [values.OIDC_ALGORITHM] }
  }
  const isSet = Object.entries({ OIDC_ISSUER: issuer, OIDC_AUDIENCE: audience, OIDC_SCOPES: scopes })
  const given = isSet.filter(([, value]) => value !== undefined).map(([name]) => name)
  if (given.length === 0) return undefined
  const missing = isSet.filter(([, value]) => value === undefined)
  const problems = missing.map(([name]) => `${name}: is required with ${given.join(' and ')}`)
  throw new Error(`invalid configuration: ${problems.join('; ')}`)
}
