import { timingSafeEqual } from 'node:crypto'
import type { ConfiguredKey } from '../../configured-keys.ts'
import type { Database } from '../../db.ts'
import type { Principal } from '../../scope.ts'
import { hashOf } from '../api-key.ts'
import type { StoredKeys } from '../stored-keys.ts'
import { type SessionRow, SessionRows } from './rows.ts'
import { isToken, proofOf } from './token.ts'

/** Who a session belongs to, and when it ends if it isn't used anymore. */
export type Standing = { principal: Principal; endsAt: Date }

type Options = {
  sql: Database
  keys: readonly ConfiguredKey[]
  stored: StoredKeys
  /** What the sessions of people depend on: the issuer's settings. Undefined if people can't log in. */
  issuerBasis: string | undefined
}

/** Finds out who a session belongs to. A session ends with the key, or the settings, that it was started with. */
export class Sessions {
  readonly #options: Options
  readonly #rows: SessionRows

  constructor(options: Options) {
    this.#options = options
    this.#rows = new SessionRows(options.sql)
  }

  /**
   * Returns who a token belongs to; null if there is no such session, or it has ended. Throws `unavailable` if the
   * database can't be reached.
   */
  async find(token: string): Promise<Standing | null> {
    if (!isToken(token)) return null
    const hash = hashOf(token).toString('hex')
    const row = await this.#rows.find(hash)
    const found = row && (await this.#standing(row, token))
    if (found) await this.#rows.markUsed(hash)
    return found
  }

  /** Makes the next call look a token up again. For use after this process has ended its session. */
  forget(token: string): void {
    this.#rows.forget(hashOf(token).toString('hex'))
  }

  async #standing(row: SessionRow, token: string): Promise<Standing | null> {
    const isBasis = (basis: string | Buffer): boolean => timingSafeEqual(row.proof, proofOf(token, basis))
    const { keys, stored, issuerBasis } = this.#options
    if (row.key_id !== null) {
      const key = await stored.use(row.key_id, isBasis)
      return key && { principal: key.principal, endsAt: earlier(row.ends_at, key.expiresAt) }
    }
    if (row.scope !== null && row.name !== null) {
      if (issuerBasis === undefined || !isBasis(issuerBasis)) return null
      return { principal: { id: row.owner, name: row.name, scope: row.scope }, endsAt: row.ends_at }
    }
    const key = keys.find((it) => isBasis(it.key))
    return key ? { principal: configuredPrincipal(key), endsAt: row.ends_at } : null
  }
}

/** Returns the caller that a key from the environment belongs to. */
export const configuredPrincipal = ({ name, scope }: ConfiguredKey): Principal => ({
  id: `env:${name}`,
  name,
  scope,
})

export const earlier = (date: Date, limit: Date | null): Date => (limit && limit < date ? limit : date)
