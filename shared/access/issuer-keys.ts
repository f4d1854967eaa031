import type { CryptoKey, createLocalJWKSet, JSONWebKeySet, JWTHeaderParameters } from 'jose'
import * as z from 'zod'
import { AppError } from '../errors.ts'
import { logger } from '../logger.ts'
import { isSecureUrl } from '../secure-url.ts'
import { readAtMost } from './read-at-most.ts'

type KeySet = ReturnType<typeof createLocalJWKSet>

/**
 * How long keys are used before they are fetched again. A withdrawn key is accepted for at most this long if the issuer
 * can be reached.
 */
const FRESH_MS = 600_000

/** How long keys are used while the issuer can't be reached. */
const KEEP_MS = 86_400_000

/** The shortest time between two fetches for tokens with an unknown key. Anyone can send such tokens. */
const UNKNOWN_KEY_MS = 10_000

const RETRY_SECONDS = 5

/**
 * The signing keys of an OpenID Connect issuer. They are fetched when they are first needed, when they are no longer
 * fresh, and for a token with an unknown key. There is one fetch at a time, and none for 5 seconds after a failure.
 * jose's own `createRemoteJWKSet` isn't used, since after a failed fetch it doesn't fall back on keys that are no
 * longer fresh, and it repeats the fetch for every token.
 */
export class IssuerKeys {
  readonly #issuer: string
  readonly #now: () => number
  #keys: KeySet | undefined
  #loadedAt = Number.NEGATIVE_INFINITY
  #failedAt = Number.NEGATIVE_INFINITY
  #loading: Promise<void> | undefined

  /** `now`: a monotonic clock, in milliseconds. */
  constructor(issuer: string, now: () => number) {
    this.#issuer = issuer
    this.#now = now
  }

  /**
   * Returns the key that a token's header names. Throws `unavailable` if the keys can't be fetched and the named key
   * isn't cached. Throws a JOSEError if the issuer has no such key.
   */
  async find(header: JWTHeaderParameters): Promise<CryptoKey> {
    const { JWKSNoMatchingKey } = await import('jose/errors')
    const keys = await this.#usable()
    try {
      return await keys(header)
    } catch (error) {
      const isRecent = this.#now() - this.#loadedAt < UNKNOWN_KEY_MS
      if (!(error instanceof JWKSNoMatchingKey) || isRecent) throw error
      return await (await this.#newer())(header)
    }
  }

  /**
   * Returns the cached keys if they are fresh, or else fetches them. During a fetch, other callers get the cached keys.
   */
  async #usable(): Promise<KeySet> {
    const age = this.#now() - this.#loadedAt
    if (this.#keys && (age < FRESH_MS || (this.#loading && age < KEEP_MS))) return this.#keys
    await this.#load()
    if (this.#keys && this.#now() - this.#loadedAt < KEEP_MS) return this.#keys
    throw unavailable()
  }

  async #newer(): Promise<KeySet> {
    await this.#load()
    if (this.#keys && this.#loadedAt > this.#failedAt) return this.#keys
    throw unavailable()
  }

  /** Fetches the keys, unless a fetch has just failed. Joins a fetch in progress. Never throws. */
  async #load(): Promise<void> {
    if (this.#now() - this.#failedAt < RETRY_SECONDS * 1000) return
    this.#loading ??= this.#fetch().finally(() => {
      this.#loading = undefined
    })
    await this.#loading
  }

  async #fetch(): Promise<void> {
    try {
      this.#keys = await fetchKeys(this.#issuer)
      this.#loadedAt = this.#now()
    } catch (error) {
      this.#failedAt = this.#now()
      logger.warn("the OpenID Connect issuer's keys could not be fetched", {
        issuer: this.#issuer,
        cached: this.#keys !== undefined,
        error: error instanceof Error ? error : new Error(String(error)),
      })
    }
  }
}

const unavailable = (): AppError =>
  new AppError('unavailable', "the OpenID Connect issuer's keys can't be fetched", {
    retryAfterSeconds: RETRY_SECONDS,
  })

/** Maximum time for fetching the discovery document and the keys, in milliseconds. */
const TIMEOUT_MS = 5000

const discoveryDocument = z.object({ issuer: z.string(), jwks_uri: z.string() })

/** Fetches an issuer's discovery document (OpenID Connect Discovery 1.0, section 4), and the keys that it names. */
async function fetchKeys(issuer: string): Promise<KeySet> {
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const document = discoveryDocument.parse(await fetchJson(url, signal))
  if (document.issuer !== issuer) throw new Error(`${url} belongs to another issuer: ${document.issuer}`)
  if (!isSecureUrl(document.jwks_uri)) throw new Error(`jwks_uri is not https: ${document.jwks_uri}`)
  const { createLocalJWKSet } = await import('jose/jwks/local')
  // `createLocalJWKSet` checks the type itself.
  return createLocalJWKSet((await fetchJson(document.jwks_uri, signal)) as JSONWebKeySet)
}

/** Maximum size of a response, in bytes. Issuers with many keys and certificates send about 20 KB. */
const LIMIT_BYTES = 262_144

async function fetchJson(url: string, signal: AbortSignal): Promise<unknown> {
  const response = await fetch(url, { headers: { accept: 'application/json' }, redirect: 'error', signal })
  if (response.status !== 200) {
    await response.body?.cancel()
    throw new Error(`${url} responded with status ${response.status}`)
  }
  return JSON.parse((await readAtMost(response, LIMIT_BYTES)).toString())
}
