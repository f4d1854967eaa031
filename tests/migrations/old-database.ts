import { randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { inject } from 'vitest'
import { connect, type Database, LONG_LIMITS } from '../../shared/db.ts'
import { databaseUrl } from '../setup/database-url.ts'

const FOLDER = new URL('../../infra/migrations/', import.meta.url)

/** Creates a database with only the migrations up to and including `newest`. */
export async function openOldDatabase(newest: string): Promise<{ sql: Database; drop: () => Promise<void> }> {
  const { url, prefix } = inject('testDatabase')
  const name = `${prefix}_${randomBytes(6).toString('hex')}`
  const admin = connect(url, { max: 1 })
  await admin`create database ${admin(name)}`
  const sql = connect(databaseUrl(url, name), { max: 3, limits: LONG_LIMITS })
  await sql`create table schema_migrations (name text primary key, applied_at timestamptz not null default now())`
  const files = (await readdir(FOLDER)).filter((file) => file.endsWith('.sql') && file <= newest).sort()
  for (const file of files) {
    await sql.unsafe(await readFile(new URL(file, FOLDER), 'utf8'))
    await sql`insert into schema_migrations (name) values (${file})`
  }
  return {
    sql,
    async drop() {
      await sql.end({ timeout: 5 })
      await admin`drop database ${admin(name)} with (force)`
      await admin.end()
    },
  }
}
