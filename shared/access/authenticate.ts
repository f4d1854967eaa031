import type { ConfiguredKey } from '../configured-keys.ts'
import { AppError } from '../errors.ts'
import { ANYONE, type Principal } from '../scope.ts'
import { hashOf, idOf } from './api-key.ts'
import type { OidcVerifier } from './oidc.ts'
import { configuredPrincipal } from './session/sessions.ts'
import type { Holder } from './session/start.ts'
import type { StoredKeys } from './stored-keys.ts'
import { WrongKeys } from './wrong-keys.ts'

type Headers = Readonly<Record<string, string | undefined>>

export type Credentials = {
  keys: readonly ConfiguredKey[]
  stored: StoredKeys
  issuer: OidcVerifier | undefined
}

/** Finds out who sent a request. */
export class Authenticator {
  readonly #configured: Map<string, Principal>
  /** The right keys among those that have been sent, so that hashing them again isn't necessary. */
  readonly #sent = new Map<string, Principal>()
  readonly #stored: StoredKeys
  readonly #issuer: OidcVerifier | undefined
  readonly #wrong = new WrongKeys()

  constructor({ keys, stored, issuer }: Credentials) {
    this.#configured = new Map(
      keys.map((key) => [hashOf(key.key).toString('base64'), configuredPrincipal(key)]),
    )
    this.#stored = stored
    this.#issuer = issuer
  }

  /** Returns whether anyone may call the API, because no key exists and no issuer is configured. */
  async isOpen(): Promise<boolean> {
    return this.#configured.size === 0 && !this.#issuer && !(await this.#stored.hasKeys())
  }

  /**
   * Returns the caller, from `x-api-key` or a bearer token. Throws `unauthorized` if the key is missing or wrong,
   * `too_many_requests` if an address has sent too many wrong keys, and `unavailable` if the key can't be checked now.
   */
  async authenticate(headers: Headers, address: string): Promise<Principal> {
    const given = credentialIn(headers)
    if (given === undefined) {
      if (await this.isOpen()) return ANYONE
      throw new AppError('unauthorized', 'missing API key: send it as x-api-key, or as Authorization: Bearer')
    }
    const known = this.#sent.get(given) ?? this.#configured.get(hashOf(given).toString('base64'))
    if (known) {
      this.#sent.set(given, known)
      return known
    }
    if (await this.isOpen()) return ANYONE
    const found = await this.#find(given, address)
    if (found) return found
    throw await this.#refusal(address)
  }

  /**
   * Returns who logs in with a key, and when the key expires. Wrong keys are counted together with those in headers. A
   * token of the issuer isn't a key here, since a session would outlive it. Throws as `authenticate` does, and
   * `conflict` if no login is needed.
   */
  async logIn(key: string, address: string): Promise<{ holder: Holder; expiresAt: Date | null }> {
    const known = this.#configured.get(hashOf(key).toString('base64'))
    if (known)
      return { holder: { principal: known, basis: key, keyId: null, isPerson: false }, expiresAt: null }
    if (await this.isOpen()) throw new AppError('conflict', 'this API has no keys, so no login is needed')
    const stored = await this.#stored.find(key)
    if (!stored) throw await this.#refusal(address)
    const { principal, id, hash, expiresAt } = stored
    return { holder: { principal, basis: hash, keyId: id, isPerson: false }, expiresAt }
  }

  async #refusal(address: string): Promise<AppError> {
    await this.#wrong.count(address)
    return new AppError('unauthorized', 'invalid API key')
  }

  async #find(given: string, address: string): Promise<Principal | null> {
    if (idOf(given) !== null) return (await this.#stored.find(given))?.principal ?? null
    if (!this.#issuer || !isToken(given)) return null
    return await this.#issuer.verify(given).catch(async (error: unknown) => {
      if (error instanceof AppError && error.code === 'unauthorized') await this.#wrong.count(address)
      throw error
    })
  }
}

/** Returns the key or token in a request's headers. An empty `x-api-key` counts if there is no bearer token. */
export function credentialIn(headers: Headers): string | undefined {
  const key = headers['x-api-key'] ?? undefined
  return key || (bearerOf(headers) ?? key)
}

const bearerOf = (headers: Headers): string | undefined =>
  /^bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1]

/** Returns whether a text has the three parts of a JSON Web Token. */
const isToken = (text: string): boolean => text.split('.', 4).length === 3
