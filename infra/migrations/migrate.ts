import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { type Database, isConnectionLost, isUnreachable, type Queryable } from '../../shared/db.ts'
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

/**
 * Milliseconds between two attempts to get the lock, and until this gives up. A process must not wait for it in a
 * statement: `create index concurrently` in the process that has the lock waits for all statements of others.
 */
const RETRY_MS = 200
const LOCK_PATIENCE_MS = 600_000

/** Repeats `attempt` until it returns something. Rejects if another process has held the lock for too long. */
async function untilLocked<Done>(attempt: () => Promise<Done | undefined>): Promise<Done> {
  const deadline = performance.now() + LOCK_PATIENCE_MS
  for (;;) {
    const done = await attempt()
    if (done !== undefined) return done
    if (performance.now() > deadline) throw new Error('another process has been migrating for 10 minutes')
    await wait(RETRY_MS)
  }
}

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
  await untilLocked(() => inLock(sql, prepare))
  for (;;) {
    const { done, alone } = await untilLocked(() => inLock(sql, (tx) => applyNext(tx, files)))
    if (done !== undefined) applied.push(done)
    else if (alone === undefined) return applied
    else if (await untilLocked(() => applyAlone(sql, alone))) applied.push(alone.name)
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

/** Runs `work` in a transaction that has the lock. Returns undefined if another process has it. */
async function inLock<Done>(
  sql: Database,
  work: (tx: Queryable) => Promise<Done>,
): Promise<Done | undefined> {
  const done = await sql.begin(async (tx) => {
    const [{ locked }] = await tx<[{ locked: boolean }]>`select pg_try_advisory_xact_lock(${LOCK}) as locked`
    return locked ? { result: await work(tx) } : undefined
  })
  return done?.result
}

/** Creates the table of the applied migrations. Separately, since this locks out health checks, which read it. */
async function prepare(tx: Queryable): Promise<true> {
  await tx`
    create table if not exists schema_migrations (
      name text primary key,
      applied_at timestamptz not null default now()
    )`
  await tx`alter table schema_migrations add column if not exists sha256 text`
  return true
}

/** What was applied, or else the next file, if that can't run in a transaction. Neither if no file is left. */
type Step = { done?: string; alone?: File }

/**
 * Applies the next file, unless it can't run in a transaction. Each file has a transaction of its own, so that the locks
 * of one aren't held while the next one waits.
 */
async function applyNext(tx: Queryable, files: File[]): Promise<Step> {
  const known = await readKnown(tx, files)
  const next = files.find(({ name }) => !known.has(name))
  if (next === undefined) return {}
  const { name, text, sha256 } = next
  if (text.startsWith(ALONE)) return { alone: next }
  await apply(tx, name, text)
  await tx`insert into schema_migrations (name, sha256) values (${name}, ${sha256})`
  return { done: name }
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
 * Applies a file outside of a transaction. Returns whether this process applied it, or undefined if another process has
 * the lock. Uses a connection of its own, since the lock belongs to the connection that took it.
 */
async function applyAlone(sql: Database, file: File): Promise<boolean | undefined> {
  const own = await sql.reserve()
  const free = async (): Promise<void> => {
    await own`select pg_advisory_unlock_all()`
    own.release()
  }
  try {
    const [{ locked }] = await own<[{ locked: boolean }]>`select pg_try_advisory_lock(${LOCK}) as locked`
    const done = locked ? await applyLocked(own, file) : undefined
    await free()
    return done
  } catch (error) {
    // A lost connection has lost its lock, too. If it were released, the pool would use it again, and always fail.
    if (!isConnectionLost(error)) await free()
    throw error
  }
}

async function applyLocked(sql: Queryable, { name, text, sha256 }: File): Promise<boolean> {
  const [known] = await sql`select from schema_migrations where name = ${name}`
  if (known) return false
  await dropInvalid(sql, text)
  await apply(sql, name, text)
  await sql`insert into schema_migrations (name, sha256) values (${name}, ${sha256})`
  return true
}

/** Drops the index that a file creates, if an earlier attempt was interrupted and left it unusable. */
async function dropInvalid(sql: Queryable, text: string): Promise<void> {
  const [, name] = /create index concurrently if not exists (\w+)/.exec(text) ?? []
  if (name === undefined) return
  const [invalid] = await sql`select from pg_index where indexrelid = to_regclass(${name}) and not indisvalid`
  if (invalid) await sql`drop index concurrently ${sql(name)}`
}

/** Seconds to wait for a database that is starting at the same time as this process. */
const PATIENCE_SECONDS = 60

/** How many times the wait begins anew because the database has responded, but the migration was cut off. */
const MOST_CUTS = 3

type Waiting = { folder?: URL; patienceSeconds?: number }

/**
 * Waits for the database, and migrates it. Rejects if the database doesn't respond within a minute. If the connection
 * is lost during the migration, waits for the database again, a few times.
 */
export async function migrateWhenReady(
  sql: Database,
  { folder = FOLDER, patienceSeconds = PATIENCE_SECONDS }: Waiting = {},
): Promise<void> {
  const inTime = (): number => performance.now() + patienceSeconds * 1000
  let deadline = inTime()
  for (let cuts = 0; ; ) {
    let responded = false
    try {
      await sql`select`
      responded = true
      const applied = await migrate(sql, folder)
      if (applied.length > 0) logger.info('migrated', { applied })
      return
    } catch (error) {
      if (!isUnreachable(error)) throw error
      if (responded && cuts < MOST_CUTS) {
        cuts += 1
        deadline = inTime()
      } else if (performance.now() > deadline) throw error
      logger.warn('waiting for the database', { error: (error as Error).message })
      await wait(1000)
    }
  }
}
