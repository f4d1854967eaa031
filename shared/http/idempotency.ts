import { createHash } from 'node:crypto'
import type { Fragment, Queryable } from '../db.ts'
import { AppError } from '../errors.ts'
import { KEPT_HOURS, KeptKeys } from './kept-keys.ts'
import type { HttpRequest, Operation, Reply } from './operation.ts'

/** Seconds after which a request without a response counts as dead. Its key can then be used again. */
const IN_FLIGHT_SECONDS = 60

/** Seconds after which a client should try again when no more keys can be kept. */
const FULL_RETRY_SECONDS = 60

/** This process's count of the kept keys. */
const keptKeys = new KeptKeys()

type Kept = { request_hash: Buffer; status: number | null; headers: Record<string, string>; body: unknown }

/**
 * Executes each request that has an `Idempotency-Key` only once. For 24 hours, repeated requests get the same response,
 * with `idempotency-replayed: true` (draft-ietf-httpapi-idempotency-key-header-07). Errors aren't kept, so that a
 * failed request can be retried. Each caller has its own keys. An operation that takes no body ignores any that is
 * sent, so a repeated request may have a different body, or none. Throws `conflict` while the first request is in
 * progress, `invalid` for a different request with the same key, `bad_request` if the response must not be kept, and
 * `unavailable` for a new key while MAX_IDEMPOTENCY_KEYS are kept.
 */
export async function onceByKey(
  { sql, event, caller }: HttpRequest,
  { body, hasSecret }: Operation,
  answer: () => Promise<Reply>,
): Promise<Reply> {
  const key = event.headers['idempotency-key']
  if (key === undefined) return await answer()
  if (!/^[\x20-\x7e]{1,255}$/.test(key)) {
    throw new AppError('bad_request', 'Idempotency-Key must be 1 to 255 printable ASCII characters')
  }
  if (hasSecret) {
    throw new AppError(
      'bad_request',
      'Idempotency-Key is not supported here, because the response is a secret',
    )
  }
  const slot = { owner: caller.id, key }
  const { method, path } = event.requestContext.http
  const hash = createHash('sha256')
    .update(JSON.stringify([method, path, event.rawQueryString ?? '', body && event.body]))
    .digest()
  const taken = await take(sql, slot, hash)
  if (taken === null) return await replay(sql, slot, hash)
  const reply = await answer().catch(async (error: unknown) => {
    keptKeys.count -= 1
    await sql`delete from idempotency_keys where ${isSlot(sql, slot)} and created_at::text = ${taken}`
    throw error
  })
  await keep(sql, slot, taken, reply)
  return reply
}

/** A caller's key. */
type Slot = { owner: string; key: string }

const isSlot = (sql: Queryable, { owner, key }: Slot): Fragment => sql`owner = ${owner} and key = ${key}`

/**
 * Reserves the key. Returns the time of the reservation, which distinguishes this request from later requests with the
 * same key. Returns null if another request has already reserved the key, or if no more keys can be kept.
 */
async function take(sql: Queryable, slot: Slot, hash: Buffer): Promise<string | null> {
  await sql`
    delete from idempotency_keys
    where ${isSlot(sql, slot)} and (
      created_at < now() - make_interval(hours => ${KEPT_HOURS})
      or (status is null and created_at < now() - make_interval(secs => ${IN_FLIGHT_SECONDS}))
    )`
  await forgetOld(sql)
  await keptKeys.refresh(sql)
  if (keptKeys.isFull) return null
  const [taken] = await sql<[{ at: string }?]>`
    insert into idempotency_keys (owner, key, request_hash)
    values (${slot.owner}, ${slot.key}, ${hash})
    on conflict do nothing
    returning created_at::text as at`
  if (taken) keptKeys.count += 1
  return taken?.at ?? null
}

/**
 * Maximum number of expired keys that a request deletes. Each request adds only one key, so expired keys don't pile up.
 */
const FORGOTTEN = 100

async function forgetOld(sql: Queryable): Promise<void> {
  await sql`
    delete from idempotency_keys
    where (owner, key) in (
      select owner, key from idempotency_keys
      where created_at < now() - make_interval(hours => ${KEPT_HOURS})
      order by created_at
      limit ${FORGOTTEN}
      for update skip locked
    )`
}

async function replay(sql: Queryable, slot: Slot, hash: Buffer): Promise<Reply> {
  const [kept] = await sql<[Kept?]>`
    select request_hash, status, headers, body from idempotency_keys where ${isSlot(sql, slot)}`
  if (kept && !kept.request_hash.equals(hash)) {
    throw new AppError('invalid', 'this Idempotency-Key was already used for a different request')
  }
  if (!kept && keptKeys.isFull) {
    throw new AppError('unavailable', 'no more idempotency keys can be kept for now (MAX_IDEMPOTENCY_KEYS)', {
      reason: 'idempotency_keys',
      retryAfterSeconds: FULL_RETRY_SECONDS,
    })
  }
  if (!kept || kept.status === null) {
    throw new AppError('conflict', 'a request with this Idempotency-Key is in progress', {
      retryAfterSeconds: 1,
    })
  }
  return {
    status: kept.status,
    body: kept.body,
    headers: { ...kept.headers, 'idempotency-replayed': 'true' },
  }
}

async function keep(sql: Queryable, slot: Slot, taken: string, reply: Reply): Promise<void> {
  // Converts dates to strings, as in the first response.
  const body = JSON.parse(JSON.stringify(reply.body))
  await sql`
    update idempotency_keys
    set status = ${reply.status}, headers = ${sql.json(reply.headers ?? {})}, body = ${sql.json(body)}
    where ${isSlot(sql, slot)} and created_at::text = ${taken}`
}
