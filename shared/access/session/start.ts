import { type Database, isForeignKeyViolation, type Queryable } from '../../db.ts'
import { AppError } from '../../errors.ts'
import type { Principal } from '../../scope.ts'
import { hashOf } from '../api-key.ts'
import { IDLE_HOURS } from './rows.ts'
import { newToken, proofOf } from './token.ts'

/** Who logs in, and what their session depends on. */
export type Holder = {
  principal: Principal
  /** The key, its hash if it is in the table, or the settings of the issuer. */
  basis: string | Buffer
  /** The key's id, if it is in the table. */
  keyId: number | null
  /** A person's name and scope are stored, since there is no key to look them up. */
  isPerson: boolean
}

/**
 * Maximum number of sessions, in all and with one key or of one person. Another login ends the least recently used one.
 */
const MOST = 10_000
const MOST_EACH = 100

/** Maximum number of expired sessions that a login deletes. Each login adds only one, so they don't pile up. */
const FORGOTTEN = 1000

/** The key of the advisory lock for logins. Any number works, as long as every replica uses the same one. */
const LOCK = 7_220_533

/**
 * Starts a session, and ends the one that the browser had before. Returns its token, which exists nowhere else, and
 * when it ends if it isn't used. Throws `unauthorized` if the key has just been deleted.
 */
export async function startSession(
  sql: Database,
  holder: Holder,
  before: string | undefined,
): Promise<{ token: string; endsAt: Date }> {
  const token = newToken()
  const { principal, basis, keyId, isPerson } = holder
  return await sql
    .begin(async (tx) => {
      // Logins take turns, so that the limits are exact.
      await tx`select pg_advisory_xact_lock(${LOCK})`
      if (before !== undefined) await endSession(tx, before)
      await makeRoom(tx, principal.id)
      const [row] = await tx<[{ endsAt: Date }]>`
        insert into sessions (token_hash, owner, key_id, proof, name, scope)
        values (
          ${hashOf(token)}, ${principal.id}, ${keyId}, ${proofOf(token, basis)},
          ${isPerson ? principal.name : null}, ${isPerson ? principal.scope : null}
        )
        returning last_used_at + make_interval(hours => ${IDLE_HOURS}) as "endsAt"`
      return { token, endsAt: row.endsAt }
    })
    .catch((error: unknown) => {
      throw isForeignKeyViolation(error) ? new AppError('unauthorized', 'invalid API key') : error
    })
}

async function makeRoom(tx: Queryable, owner: string): Promise<void> {
  await tx`
    delete from sessions
    where token_hash in (
      (
        select token_hash from sessions
        where last_used_at < now() - make_interval(hours => ${IDLE_HOURS})
        order by last_used_at
        limit ${FORGOTTEN}
      )
      union all
      (select token_hash from sessions where owner = ${owner} order by last_used_at desc offset ${MOST_EACH - 1})
      union all
      (select token_hash from sessions order by last_used_at desc offset ${MOST - 1})
    )`
}

/** Ends a session. Does nothing if there is none. */
export async function endSession(sql: Queryable, token: string): Promise<void> {
  await sql`delete from sessions where token_hash = ${hashOf(token)}`
}
