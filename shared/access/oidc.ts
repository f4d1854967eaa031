import type { JWTPayload, JWTVerifyResult } from 'jose'
import type { Config } from '../config.ts'
import { AppError } from '../errors.ts'
import { logger } from '../logger.ts'
import { includes, type Principal, type Scope } from '../scope.ts'
import { claimValues } from './claim.ts'
import { IssuerKeys } from './issuer-keys.ts'

type Options = Omit<NonNullable<Config['oidc']>, 'login'> & {
  /** A monotonic clock, in milliseconds. Default: `performance.now`. */
  now?: () => number
}

/** The properties of jose's errors. */
type Problem = { code?: unknown; claim?: unknown; reason?: unknown }

/** Maximum length of a token, in characters. Many proxies reject longer headers anyway. */
const TOKEN_LIMIT = 8192

/** How far the issuer's clock may differ from this one, in seconds. */
const CLOCK_TOLERANCE_SECONDS = 5

/** The value in OIDC_SCOPES that stands for every valid token. */
const EVERYONE = '*'

/** Verifies the access tokens of an OpenID Connect issuer. */
export class OidcVerifier {
  readonly #options: Options
  readonly #keys: IssuerKeys
  readonly #scopes: Map<string, Scope>

  constructor(options: Options) {
    this.#options = options
    this.#keys = new IssuerKeys(options.issuer, options.now ?? (() => performance.now()))
    this.#scopes = new Map(Object.entries(options.scopes))
  }

  /**
   * Returns who a token (a signed JWT) belongs to. Throws `unauthorized` if the token isn't valid, `forbidden` if it is
   * valid but has no value that OIDC_SCOPES names, and `unavailable` if the issuer's keys can't be fetched. No message
   * contains any part of the token.
   */
  async verify(token: string): Promise<Principal> {
    if (token.length > TOKEN_LIMIT) throw unauthorized(`the token is longer than ${TOKEN_LIMIT} characters`)
    const { payload, protectedHeader } = await this.#verified(token)
    if (!isAccessToken(protectedHeader.typ)) throw unauthorized('the token is not an access token')
    return {
      id: `oidc:${new URL(this.#options.issuer).host}:${subjectOf(payload)}`,
      name: nameOf(payload),
      scope: this.#scopeOf(payload),
    }
  }

  async #verified(token: string): Promise<JWTVerifyResult> {
    // Imported lazily, since most installations have no issuer.
    const { jwtVerify } = await import('jose/jwt/verify')
    const { issuer, audience, algorithms } = this.#options
    try {
      return await jwtVerify(token, (header) => this.#keys.find(header), {
        issuer,
        audience,
        algorithms,
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        requiredClaims: ['exp'],
      })
    } catch (error) {
      if (error instanceof AppError) throw error
      // The cast is safe because jose only throws errors. They aren't passed on, since they contain the token's claims.
      const problem = this.#problemWith(error as Problem)
      if (problem !== undefined) throw unauthorized(problem)
      logger.warn("a key of the OpenID Connect issuer can't be used", { error })
      throw new AppError('unavailable', "the OpenID Connect issuer's key for this token can't be used")
    }
  }

  /** Returns what is wrong with the token, or undefined if something is wrong with the issuer's key. */
  #problemWith({ code, claim, reason }: Problem): string | undefined {
    switch (code) {
      case 'ERR_JWS_INVALID':
      case 'ERR_JWT_INVALID':
      case 'ERR_JOSE_NOT_SUPPORTED':
        return 'the token is not a valid JWT'
      case 'ERR_JOSE_ALG_NOT_ALLOWED':
        return `the token is not signed with ${this.#options.algorithms.join(' or ')}`
      case 'ERR_JWKS_NO_MATCHING_KEY':
        return 'the token is signed with a key that the issuer does not have'
      case 'ERR_JWKS_MULTIPLE_MATCHING_KEYS':
        return 'the token does not say which key it is signed with (kid)'
      case 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED':
        return "the token's signature is wrong"
      case 'ERR_JWT_EXPIRED':
        return 'the token has expired'
      case 'ERR_JWT_CLAIM_VALIDATION_FAILED':
        return this.#claimProblem(claim, reason)
    }
  }

  #claimProblem(claim: unknown, reason: unknown): string {
    if (claim === 'iss') return `the token is not from the issuer ${this.#options.issuer}`
    if (claim === 'aud') return `the token is not for the audience ${this.#options.audience}`
    if (claim === 'nbf' && reason === 'check_failed') return 'the token is not valid yet'
    return `the token has no valid ${claim === 'exp' ? 'expiry time (exp)' : claim}`
  }

  #scopeOf(payload: JWTPayload): Scope {
    const { claim } = this.#options
    const granted = [...claimValues(payload, claim), EVERYONE].flatMap(
      (value) => this.#scopes.get(value) ?? [],
    )
    const [first, ...others] = granted
    if (first === undefined)
      throw new AppError('forbidden', `nothing in the token's claim ${claim} gives access`)
    return others.reduce((best, scope) => (includes(best, scope) ? best : scope), first)
  }
}

const unauthorized = (message: string): AppError => new AppError('unauthorized', message)

/**
 * Returns whether a `typ` header may belong to an access token. Issuers that don't use `at+jwt` (RFC 9068) write `JWT`
 * or nothing. Other types, such as `logout+jwt`, are signed with the same keys but have another purpose.
 */
const isAccessToken = (typ: unknown): boolean =>
  typ === undefined || (typeof typ === 'string' && /^(application\/)?(at\+)?jwt$/i.test(typ))

/** OpenID Connect Core 1.0, section 2: at most 255 ASCII characters. */
const SUBJECT = /^[\x20-\x7e]{1,255}$/

function subjectOf({ sub }: JWTPayload): string {
  if (typeof sub === 'string' && SUBJECT.test(sub)) return sub
  throw unauthorized('the token has no valid subject (sub)')
}

const NAME_LIMIT = 200

/** Returns a name for people to read. Users can often change theirs, so nothing but the log may depend on it. */
function nameOf({ preferred_username, email, sub }: JWTPayload): string {
  const names = [preferred_username, email, sub].map((name) =>
    typeof name === 'string' ? name.replaceAll(/\p{C}/gu, '').trim().slice(0, NAME_LIMIT) : '',
  )
  return names.find((name) => name !== '') ?? ''
}
