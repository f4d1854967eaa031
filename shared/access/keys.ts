import * as z from 'zod'
import type { Database, Queryable } from '../db.ts'
import { AppError, notFound } from '../errors.ts'
import { instantIn, instantOut } from '../instant.ts'
import { digits } from '../parse.ts'
import { ANYONE, type Principal, SCOPES } from '../scope.ts'
import { generateKey, hashOf } from './api-key.ts'
import { MAX_KEYS } from './stored-keys.ts'

/** Two keys may have the same name, so that a key can be replaced without an interruption. */
const KEYS_PER_NAME = 2

export const keyIn = z.strictObject({
  name: z
    .string()
    .regex(
      /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/,
      'must be 1 to 63 letters, digits, dots, dashes or underscores',
    )
    .describe('Who uses the key. It appears in the log. At most two keys may have the same name.'),
  scope: z
    .enum(SCOPES)
    .describe(
      'What the key may do. `read`: read everything except keys. `run`: also run tasks, and cancel or repeat executions. `write`: also create, change, pause, resume and delete tasks. `admin`: also manage keys.',
    ),
  expires_at: instantIn
    .refine((at) => at.getTime() > Date.now(), 'must be in the future')
    .nullish()
    .describe('When the key stops working. Null if it never expires.'),
})

export const keyPath = z.strictObject({ id: digits(z.int().min(1)) })

export const keyOut = z
  .object({
    id: z.int(),
    name: z.string(),
    scope: z.enum(SCOPES),
    created_at: instantOut,
    expires_at: instantOut.nullable(),
    last_used_at: instantOut.nullable().describe('Written at most once a minute.'),
  })
  .meta({ id: 'Key' })

export const newKeyOut = z
  .object({
    ...keyOut.shape,
    key: z.string().describe('The key. It is not stored, and is never shown again.'),
  })
  .meta({ id: 'NewKey' })

type Key = {
  id: number
  name: string
  scope: string
  created_at: Date
  expires_at: Date | null
  last_used_at: Date | null
}

/**
 * Creates a key, and returns it with its text. Throws `conflict` if there are too many keys, or if the API is still
 * open to anyone and the key doesn't have the scope `admin`: nobody could then create another key.
 */
export async function createKey(
  sql: Database,
  { name, scope, expires_at: expiresAt = null }: z.output<typeof keyIn>,
  caller: Principal,
): Promise<Key & { key: string }> {
  if (caller === ANYONE && (scope !== 'admin' || expiresAt)) {
    throw new AppError('conflict', 'the first key must have the scope admin, and must not expire')
  }
  return await sql.begin(async (tx) => {
    await lockKeys(tx)
    if (caller === ANYONE) await refuseIfClosed(tx)
    await checkCounts(tx, name)
    const [next] = await tx<[{ id: number }]>`
      select nextval(pg_get_serial_sequence('api_keys', 'id'))::int as id`
    const key = generateKey(next.id)
    const [row] = await tx<[Key]>`
      insert into api_keys (id, name, scope, hash, expires_at)
      values (${next.id}, ${name}, ${scope}, ${hashOf(key)}, ${expiresAt}::timestamptz)
      returning id, name, scope, created_at, expires_at, last_used_at`
    return { ...row, key }
  })
}

/** Another request may have created the first key in the meantime. */
async function refuseIfClosed(tx: Queryable): Promise<void> {
  const [key] = await tx`select from api_keys limit 1`
  if (key) throw new AppError('unauthorized', 'another request has just created the first key')
}

async function checkCounts(tx: Queryable, name: string): Promise<void> {
  const [count] = await tx<[{ total: number; named: number }]>`
    select count(*)::int as total, (count(*) filter (where name = ${name}))::int as named from api_keys`
  if (count.total >= MAX_KEYS) throw new AppError('conflict', `there are already ${MAX_KEYS} keys`)
  if (count.named < KEYS_PER_NAME) return
  throw new AppError(
    'conflict',
    `there are already ${KEYS_PER_NAME} keys named ${name}; delete one of them first`,
  )
}

/** Returns all keys, oldest first, without their text. */
export async function listKeys(sql: Queryable): Promise<Key[]> {
  return await sql<Key[]>`
    select id, name, scope, created_at, expires_at, last_used_at from api_keys order by id limit ${MAX_KEYS}`
}

/**
 * Deletes a key. Throws `not_found` if it doesn't exist, and `conflict` if nobody could manage keys afterwards.
 * `hasOtherAdmin`: whether there is an admin outside the table.
 */
export async function deleteKey(sql: Database, id: number, hasOtherAdmin: boolean): Promise<void> {
  await sql.begin(async (tx) => {
    await lockKeys(tx)
    const [deleted] = await tx<[{ scope: string; expires_at: Date | null }?]>`
      delete from api_keys where id = ${id}::bigint returning scope, expires_at`
    if (!deleted) throw notFound('key', id)
    if (hasOtherAdmin || deleted.scope !== 'admin') return
    const [admin] = await tx`
      select from api_keys
      where scope = 'admin' and coalesce(expires_at, 'infinity') > now()
        and coalesce(expires_at, 'infinity') >= coalesce(${deleted.expires_at}::timestamptz, 'infinity')
      limit 1`
    if (!admin)
      throw new AppError('conflict', 'no other key with the scope admin is valid for as long as this one')
  })
}

/**
 * Makes changes to the keys wait for each other, since each depends on how many keys there are, or on whether an admin
 * is left.
 */
const lockKeys = async (tx: Queryable): Promise<void> => {
  await tx`lock table api_keys in share row exclusive mode`
}
