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

/** What the login itself decides. With another value, it could be redirected, or its response be someone else's. */
const OWN_PARAMETERS = [
  ...['client_id', 'redirect_uri', 'response_type', 'response_mode', 'state', 'nonce', 'code_challenge'],
  ...['code_challenge_method', 'request', 'request_uri', 'client_secret'],
]

/** Parameters of the sign-in request, as in a URL's query. */
export const loginParameters = z.string().check((context) => {
  const names = [...new URLSearchParams(context.value).keys()]
  const own = names.find((name) => OWN_PARAMETERS.includes(name))
  const refuse = (message: string) => context.issues.push({ code: 'custom', message, input: context.value })
  if (own !== undefined) refuse(`must not contain ${own}, which the login sets itself`)
  else if (new Set(names).size < names.length) refuse('must not contain a parameter twice')
  else if (!new URLSearchParams(context.value).get('scope')?.split(' ').includes('openid'))
    refuse('must contain a scope with openid, as in scope=openid+profile')
})

/** Returns the settings of the OpenID Connect issuer, or undefined if there is none. Throws if only some are set. */
export function readOidc(values: {
  OIDC_ISSUER?: string | undefined
  OIDC_AUDIENCE?: string | undefined
  OIDC_SCOPES?: Record<string, Scope> | undefined
  OIDC_SCOPE_CLAIM: string
  OIDC_ALGORITHM: (typeof ALGORITHMS)[number]
  OIDC_CLIENT_ID?: string | undefined
  OIDC_CLIENT_SECRET?: string | undefined
  OIDC_LOGIN_PARAMS: string
  PUBLIC_URL?: string | undefined
}) {
  const { OIDC_ISSUER: issuer, OIDC_AUDIENCE: audience, OIDC_SCOPES: scopes } = values
  if (issuer !== undefined && audience !== undefined && scopes !== undefined) {
    const login = readLogin(values)
    const algorithms = [values.OIDC_ALGORITHM]
    return { issuer, audience, scopes, claim: values.OIDC_SCOPE_CLAIM, algorithms, ...(login && { login }) }
  }
  const isSet = Object.entries({ OIDC_ISSUER: issuer, OIDC_AUDIENCE: audience, OIDC_SCOPES: scopes })
  const given = isSet.filter(([, value]) => value !== undefined).map(([name]) => name)
  if (values.OIDC_CLIENT_ID !== undefined) given.push('OIDC_CLIENT_ID')
  if (given.length === 0) return undefined
  const missing = isSet.filter(([, value]) => value === undefined)
  const problems = missing.map(([name]) => `${name}: is required with ${given.join(' and ')}`)
  throw new Error(`invalid configuration: ${problems.join('; ')}`)
}

/** Returns the settings of the dashboard's login with the issuer, or undefined if there is none. */
function readLogin(values: Parameters<typeof readOidc>[0]) {
  const { OIDC_CLIENT_ID: clientId, OIDC_CLIENT_SECRET: clientSecret, PUBLIC_URL: publicUrl } = values
  if (clientId === undefined && clientSecret === undefined) return undefined
  if (clientId === undefined)
    throw new Error('invalid configuration: OIDC_CLIENT_ID: is required with OIDC_CLIENT_SECRET')
  if (publicUrl === undefined)
    throw new Error(
      'invalid configuration: PUBLIC_URL: is required with OIDC_CLIENT_ID, since the issuer sends browsers back to it',
    )
  const parameters = Object.fromEntries(new URLSearchParams(values.OIDC_LOGIN_PARAMS))
  return { clientId, clientSecret, parameters }
}
