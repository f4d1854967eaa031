import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { type Database, isUnreachable, type Queryable } from '../../shared/db.ts'
import { messageOf } from '../../shared/errors.ts'
import { logger } from '../../shared/logger.ts'

const FOLDER = new URL('.', import.meta.url)

/** The key of the advisory lock. Any number works, as long as every replica uses the same one. */
const LOCK = 7_220_531

/**
 * The first line of a file that can't run in a transaction, for example because of `create index concurrently`. Such a
 * file has a single statement, which is safe to repeat.
 */
const ALONE = '-- no transaction\n'

export type Migration = { name: string; sha256: string }

type File = Migration & { text: string }

/** Returns the migrations in a folder, in order. */
export async function listMigrations(folder = FOLDER): Promise<Migration[]> {
  return (await readMigrations(folder)).map(({ name, sha256 }) => ({ name, sha256 }))
}

async function readMigrations(folder: URL): Promise<File[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort()
  return await Promise.all(
    names.map(async (name) => {
      const text = await readFile(new URL(name, folder), 'utf8')
      return { name, text, sha256: createHash('sha256').update(text).digest('hex') }
    }),
  )
}

/**
 * Applies the `NNNN_name.sql` files that the database doesn't have yet, in order. Holds an advisory lock, so that
 * replicas that start at the same time wait for each other. Returns the names of the applied files. Throws if the
 * database has a migration that isn't in the folder, or that has changed since it was applied.
 */
export async function migrate(sql: Database, folder = FOLDER): Promise<string[]> {
  const files = await readMigrations(folder)
  const applied: string[] = []
  for (;;) {
    const { done, next } = await applyTogether(sql, files)
    applied.push(...done)
    if (next === undefined) return applied
    if (await applyAlone(sql, next)) applied.push(next.name)
  }
}

async function apply(sql: Queryable, name: string, text: string): Promise<void> {
  try {
    await sql.unsafe(text)
  } catch (error) {
    if (isUnreachable(error)) throw error
    throw new Error(`the migration ${name} failed: ${messageOf(error)}`, { cause: error })
  }
}

type Step = { done: string[]; next: File | undefined }

/**
 * Applies, in one transaction, all files before the first file that can't run in a transaction. Returns that file as
 * `next`.
 */
async function applyTogether(sql: Database, files: File[]): Promise<Step> {
  return await sql.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(${LOCK})`
    await tx`
      create table if not exists schema_migrations (
        name text primary key,
        applied_at timestamptz not null default now()
      )`
    await tx`alter table schema_migrations add column if not exists sha256 text`
    const known = await readKnown(tx, files)
    const pending = files.filter(({ name }) => !known.has(name))
    const alone = pending.findIndex(({ text }) => text.startsWith(ALONE))
    const together = alone === -1 ? pending : pending.slice(0, alone)
    for (const { name, text, sha256 } of together) {
      await apply(tx, name, text)
      await tx`insert into schema_migrations (name, sha256) values (${name}, ${sha256})`
    }
    return { done: together.map(({ name }) => name), next: pending[together.length] }
  })
}

/**
 * Returns the names of the applied migrations. Adds the missing checksums of migrations that were applied before
 * checksums were introduced.
 */
async function readKnown(tx: Queryable, files: File[]): Promise<Set<string>> {
  const rows = await tx<{ name: string; sha256: string | null }[]>`select name, sha256 from schema_migrations`
  const here = new Map(files.map(({ name, sha256 }) => [name, sha256]))
  const missing = rows.filter(({ name }) => !here.has(name)).map(({ name }) => name)
  if (missing.length > 0)
    throw new Error(`the database is newer than this code: it has ${missing.join(', ')}`)
  for (const { name, sha256 } of rows) {
    const own = here.get(name) ?? null
    if (sha256 === null) await tx`update schema_migrations set sha256 = ${own} where name = ${name}`
    else if (sha256 !== own) throw new Error(`the migration ${name} has changed since it was applied`)
  }
  return new Set(rows.map(({ name }) => name))
}

/**
 * Applies a file outside of a transaction. Returns whether this process applied it. The pool must have only one
 * connection, since the lock belongs to the connection that took it.
 */
async function applyAlone(sql: Database, { name, text, sha256 }: File): Promise<boolean> {
  await sql`select pg_advisory_lock(${LOCK})`
  try {
    const [known] = await sql`select from schema_migrations where name = ${name}`
    if (known) return false
    await apply(sql, name, text)
    await sql`insert into schema_migrations (name, sha256) values (${name}, ${sha256})`
    return true
  } finally {
    await sql`select pg_advisory_unlock(${LOCK})`
  }
}

/** Seconds to wait for a database that is starting at the same time as this process. */
const PATIENCE_SECONDS = 60

/** Waits for the database, and migrates it. Rejects if the database doesn't respond within a minute. */
export async function migrateWhenReady(sql: Database): Promise<void> {
  const deadline = performance.now() + PATIENCE_SECONDS * 1000
  for (;;) {
    try {
      const applied = await migrate(sql)
      if (applied.length > 0) logger.info('migrated', { applied })
      return
    } catch (error) {
      if (!isUnreachable(error) || performance.now() > deadline) throw error
      logger.warn('waiting for the database', { error: (error as Error).message })
      await wait(1000)
    }
  }
}
