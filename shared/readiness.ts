import { setTimeout as wait } from 'node:timers/promises'
import type { Queryable } from './db.ts'
import { AppError } from './errors.ts'

/** The newest migration: what this code needs of its database. A test holds it against the folder. */
export const SCHEMA = '0005_repair.sql'

const PATIENCE_MS = 1000

let draining = false

/** From now on this process isn't ready: it is about to stop, and new requests belong elsewhere. */
export function startDraining(): void {
  draining = true
}

/** Throws `unavailable`, with the reason, unless requests can be served: the database answers within a second, and is migrated. */
export async function checkReadiness(sql: Queryable): Promise<void> {
  if (draining) throw new AppError('unavailable', 'this process is shutting down')
  if (!(await within(PATIENCE_MS, isMigrated(sql)))) {
    throw new AppError('unavailable', `the database has not seen the migration ${SCHEMA}`)
  }
}

const UNDEFINED_TABLE = '42P01'

async function isMigrated(sql: Queryable): Promise<boolean> {
  try {
    const rows = await sql`select from schema_migrations where name = ${SCHEMA}`
    return rows.length > 0
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === UNDEFINED_TABLE) return false
    throw error
  }
}

/** A late answer is dropped, whatever it is. */
async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const timer = new AbortController()
  const late = wait(ms, undefined, { signal: timer.signal }).then(() => {
    throw new AppError('unavailable', `the database does not answer within ${ms / 1000} s`)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    timer.abort()
    late.catch(() => {})
    work.catch(() => {})
  }
}
