import type { ConfiguredKey } from '../configured-keys.ts'
import { AppError } from '../errors.ts'
import { ANYONE, type Principal } from '../scope.ts'
import { hashOf, idOf } from './api-key.ts'
import type { OidcVerifier } from './oidc.ts'
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
      keys.map(({ name, scope, key }) => [
        hashOf(key).toString('base64'),
        { id: `env:${name}`, name, scope },
      ]),
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
    const given = headers['x-api-key'] || (bearerOf(headers) ?? headers['x-api-key'])
    if (given === undefined || given === null) {
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
    await this.#wrong.count(address)
    throw new AppError('unauthorized', 'invalid API key')
  }

  async #find(given: string, address: string): Promise<Principal | null> {
    if (idOf(given) !== null) return await this.#stored.find(given)
    if (!this.#issuer || !isToken(given)) return null
    return await this.#issuer.verify(given).catch(async (error: unknown) => {
      if (error instanceof AppError && error.code === 'unauthorized') await this.#wrong.count(address)
      throw error
    })
  }
}

const bearerOf = (headers: Headers): string | undefined =>
  /^bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1]

/** Returns whether a text has the three parts of a JSON Web Token. */
const isToken = (text: string): boolean => text.split('.', 4).length === 3
