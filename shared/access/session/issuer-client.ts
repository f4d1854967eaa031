import * as client from 'openid-client'
import { AppError, messageOf } from '../../errors.ts'
import { logger } from '../../logger.ts'
import { readAtMost } from '../read-at-most.ts'

/** How long the issuer's discovery document is used before it is fetched again, in milliseconds. */
const FRESH_MS = 600_000

/** Maximum time for a response from the issuer, in milliseconds. */
const TIMEOUT_SECONDS = 5

/** Maximum size of a response from the issuer, in bytes. */
const LIMIT_BYTES = 262_144

const RETRY_SECONDS = 5

export type Client = { issuer: string; clientId: string; clientSecret: string | undefined }

/**
 * The issuer, as `openid-client` knows it from the discovery document. There is one fetch at a time, and none for 5
 * seconds after a failure. If a later fetch fails, the document that is already known is used.
 */
export class IssuerClient {
  readonly #client: Client
  #known: client.Configuration | undefined
  #loadedAt = Number.NEGATIVE_INFINITY
  #failedAt = Number.NEGATIVE_INFINITY
  #loading: Promise<void> | undefined

  constructor(options: Client) {
    this.#client = options
  }

  /** Throws `unavailable` if the issuer can't be reached and hasn't been reached before. */
  async get(): Promise<client.Configuration> {
    if (
      performance.now() - this.#loadedAt >= FRESH_MS &&
      performance.now() - this.#failedAt >= RETRY_SECONDS * 1000
    ) {
      this.#loading ??= this.#load().finally(() => {
        this.#loading = undefined
      })
      await this.#loading
    }
    if (this.#known) return this.#known
    throw unreachable()
  }

  async #load(): Promise<void> {
    try {
      this.#known = await discover(this.#client)
      this.#loadedAt = performance.now()
    } catch (error) {
      this.#failedAt = performance.now()
      logger.warn("the OpenID Connect issuer can't be reached, so nobody can log in with it", {
        issuer: this.#client.issuer,
        known: this.#known !== undefined,
        reason: messageOf(error),
      })
    }
  }
}

/** Returns the error for a login while the issuer doesn't respond as it should. */
export const unreachable = (): AppError =>
  new AppError('unavailable', "the OpenID Connect issuer can't be reached, or gave no valid response", {
    retryAfterSeconds: RETRY_SECONDS,
  })

async function discover({ issuer, clientId, clientSecret }: Client): Promise<client.Configuration> {
  // The settings allow http only for an issuer on this machine.
  const execute = issuer.startsWith('http:') ? [client.allowInsecureRequests] : []
  const options = { execute, timeout: TIMEOUT_SECONDS, [client.customFetch]: boundedFetch }
  const authenticate: client.ClientAuth = (server, ...rest) =>
    authenticationOf(server, clientSecret)(server, ...rest)
  return await client.discovery(new URL(issuer), clientId, {}, authenticate, options)
}

/**
 * Returns how the client proves its identity: by HTTP Basic, which is OpenID Connect's default, if the issuer supports
 * it.
 */
function authenticationOf(
  { token_endpoint_auth_methods_supported: methods }: client.ServerMetadata,
  secret: string | undefined,
): client.ClientAuth {
  if (secret === undefined) return client.None()
  const isPost = methods !== undefined && !methods.includes('client_secret_basic')
  return isPost ? client.ClientSecretPost(secret) : client.ClientSecretBasic(secret)
}

const boundedFetch: client.CustomFetch = async (url, options) => {
  // The cast is safe, since these options are made for fetch.
  const response = await fetch(url, options as RequestInit)
  const { status, headers } = response
  return new Response(await readAtMost(response, LIMIT_BYTES), { status, headers })
}
