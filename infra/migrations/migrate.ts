import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { type Database, isUnreachable } from '../../shared/db.ts'
import { logger } from '../../shared/logger.ts'

const FOLDER = new URL('.', import.meta.url)

/** Any number: it only has to be the same in every replica that starts. */
const LOCK = 7_220_531

/**
 * Applies the `NNNN_name.sql` files of this folder that the database hasn't seen, in order, all in one transaction, under an
 * advisory lock: replicas that start together wait for each other.
 * Gives the names of those applied. Throws when an applied file is missing here: the database is newer than the code.
 */
export async function migrate(sql: Database): Promise<string[]> {
  const files = (await readdir(FOLDER)).filter((name) => name.endsWith('.sql')).sort()
  return await sql.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(${LOCK})`
    await tx`
      create table if not exists schema_migrations (
        name text primary key,
        applied_at timestamptz not null default now()
      )`
    const applied = await tx<{ name: string }[]>`select name from schema_migrations`
    const known = new Set(applied.map((row) => row.name))
    refuseNewer(known, files)
    const pending = files.filter((name) => !known.has(name))
    for (const name of pending) {
      await tx.unsafe(await readFile(new URL(name, FOLDER), 'utf8'))
      await tx`insert into schema_migrations (name) values (${name})`
    }
    return pending
  })
}

/** Seconds that a database may take to come up beside us. */
const PATIENCE_SECONDS = 60

/** The same, once the database answers. Rejects when it doesn't within a minute. */
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

function refuseNewer(known: Set<string>, files: string[]): void {
  const missing = [...known].filter((name) => !files.includes(name))
  if (missing.length > 0) {
    throw new Error(`the database is newer than this code: it has ${missing.join(', ')}`)
  }
}
