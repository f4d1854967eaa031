import * as client from 'openid-client'
import type { Config } from '../../config.ts'
import { AppError, messageOf } from '../../errors.ts'
import { logger } from '../../logger.ts'
import type { Principal } from '../../scope.ts'
import type { OidcVerifier } from '../oidc.ts'
import { WrongKeys } from '../wrong-keys.ts'
import { type Attempt, readAttempt, writeAttempt } from './attempt.ts'
import { IssuerClient, unreachable } from './issuer-client.ts'

type Oidc = NonNullable<Config['oidc']>

type Options = {
  oidc: Oidc & { login: NonNullable<Oidc['login']> }
  /** Where the issuer sends browsers back to. */
  redirectUri: string
  verifier: OidcVerifier
}

/** Errors that mean that the settings are wrong, not that the person did something wrong (RFC 6749, 5.2). */
const OWN_FAULTS = [
  'invalid_client',
  'unauthorized_client',
  'unsupported_grant_type',
  'invalid_scope',
  'invalid_target',
]

/** Logs people in with the issuer, by authorization code with PKCE (RFC 7636), state and nonce. */
export class OidcLogin {
  readonly #options: Options
  readonly #issuer: IssuerClient
  readonly #failures = new WrongKeys('too many failed logins from this address')

  constructor(options: Options) {
    const { issuer, login } = options.oidc
    this.#options = options
    this.#issuer = new IssuerClient({ issuer, clientId: login.clientId, clientSecret: login.clientSecret })
  }

  /**
   * Returns the issuer's URL to send the browser to, and what the browser must keep until it comes back. Throws
   * `unavailable` if the issuer can't be reached.
   */
  async start(returnTo: string): Promise<{ url: string; attempt: string }> {
    const issuer = await this.#issuer.get()
    const attempt: Attempt = {
      state: client.randomState(),
      nonce: client.randomNonce(),
      verifier: client.randomPKCECodeVerifier(),
      returnTo,
    }
    const url = client.buildAuthorizationUrl(issuer, {
      ...this.#options.oidc.login.parameters,
      redirect_uri: this.#options.redirectUri,
      state: attempt.state,
      nonce: attempt.nonce,
      code_challenge: await client.calculatePKCECodeChallenge(attempt.verifier),
      code_challenge_method: 'S256',
    })
    return { url: url.href, attempt: writeAttempt(attempt) }
  }

  /**
   * Returns who has signed in, and where they were going. `query`: the issuer's response. `kept`: what `start` gave the
   * browser. Throws `unauthorized` if the response doesn't belong to a login of this browser or isn't valid,
   * `forbidden` if the person may not use this API, `too_many_requests` after 20 failures in a minute from one address,
   * and `unavailable` if the issuer can't be reached.
   */
  async finish(
    query: string,
    kept: string | undefined,
    address: string,
  ): Promise<{ principal: Principal; returnTo: string }> {
    const attempt = readAttempt(kept)
    if (!attempt) {
      throw new AppError(
        'unauthorized',
        'no login is in progress in this browser, or it took too long; log in again',
      )
    }
    await this.#failures.refuse(address)
    const token = await this.#redeem(query, attempt).catch(async (error: unknown) => {
      const problem = problemOf(error)
      if (problem.code !== 'unavailable') await this.#failures.count(address)
      throw problem
    })
    return { principal: await this.#options.verifier.verify(token), returnTo: attempt.returnTo }
  }

  /**
   * Exchanges the code. Returns the token that says what the person may do: the ID token if the client itself is the
   * audience, otherwise the access token.
   */
  async #redeem(query: string, { state, nonce, verifier }: Attempt): Promise<string> {
    const { audience, login } = this.#options.oidc
    const issuer = await this.#issuer.get()
    const url = new URL(`${this.#options.redirectUri}?${query}`)
    const checks = { expectedState: state, expectedNonce: nonce, pkceCodeVerifier: verifier }
    const { resource } = login.parameters
    const tokens = await client.authorizationCodeGrant(
      issuer,
      url,
      checks,
      resource === undefined ? {} : { resource },
    )
    // There is an ID token, since a nonce is expected.
    return audience === login.clientId ? (tokens.id_token ?? '') : tokens.access_token
  }
}

/** Returns what a person sees. Nothing in it comes from a token or from the issuer's own texts. */
function problemOf(error: unknown): AppError {
  if (error instanceof AppError) return error
  if (error instanceof client.AuthorizationResponseError) {
    const code = /^\w{1,60}$/.test(error.error) ? error.error : 'no reason given'
    return new AppError('forbidden', `the OpenID Connect issuer refused the login: ${code}`)
  }
  if (error instanceof client.ResponseBodyError && !OWN_FAULTS.includes(error.error)) {
    return new AppError(
      'unauthorized',
      'the OpenID Connect issuer does not accept this login anymore; log in again',
    )
  }
  if (error instanceof client.ClientError && NOT_OURS.includes(error.code ?? '')) {
    return new AppError(
      'unauthorized',
      'the response of the issuer does not belong to this login; log in again',
    )
  }
  logger.warn('a login with the OpenID Connect issuer failed', {
    reason: error instanceof client.ResponseBodyError ? error.error : messageOf(error),
  })
  return unreachable()
}

/** Another state, issuer, nonce or audience, or a token that has expired. */
const NOT_OURS = [
  'OAUTH_INVALID_RESPONSE',
  'OAUTH_JWT_CLAIM_COMPARISON_FAILED',
  'OAUTH_JWT_TIMESTAMP_CHECK_FAILED',
  'OAUTH_UNSUPPORTED_OPERATION',
]
