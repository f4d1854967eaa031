import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { migrate, migrateWhenReady } from '../../infra/migrations/migrate.ts'
import type { Database } from '../../shared/db.ts'
import { openOldDatabase } from './old-database.ts'

let sql: Database
let drop: () => Promise<void>
let folder: string

beforeEach(async () => {
  ;({ sql, drop } = await openOldDatabase(''))
  folder = await mkdtemp(join(tmpdir(), 'migrations-'))
})

afterEach(async () => {
  await drop()
  await rm(folder, { recursive: true })
})

const write = (name: string, text: string) => writeFile(join(folder, name), text)
const run = () => migrate(sql, pathToFileURL(`${folder}/`))

test('applies each file once, in order', async () => {
  await write('0001_a.sql', 'create table a ()')
  await write('0002_b.sql', 'alter table a add column b integer')
  expect(await run()).toEqual(['0001_a.sql', '0002_b.sql'])
  expect(await run()).toEqual([])
})

test('refuses a file that has changed since it was applied', async () => {
  await write('0001_a.sql', 'create table a ()')
  await run()
  await write('0001_a.sql', 'create table a (b integer)')
  await expect(run()).rejects.toThrow('the migration 0001_a.sql has changed since it was applied')
})

test('refuses a database that is newer than the code', async () => {
  await write('0001_a.sql', 'create table a ()')
  await run()
  await rm(join(folder, '0001_a.sql'))
  await expect(run()).rejects.toThrow('the database is newer than this code: it has 0001_a.sql')
})

test('adds the checksum of a migration that was applied before checksums existed', async () => {
  await sql`create table a ()`
  await sql`insert into schema_migrations (name) values ('0001_a.sql')`
  await write('0001_a.sql', 'create table a ()')
  expect(await run()).toEqual([])
  const [row] = await sql`select sha256 from schema_migrations`
  expect(row?.sha256).toMatch(/^[0-9a-f]{64}$/)
})

test('runs each file in its own transaction, except for files marked "no transaction"', async () => {
  await write('0001_a.sql', 'create table a (b integer)')
  await write('0002_b.sql', '-- no transaction\ncreate index concurrently if not exists a_b on a (b)')
  await write('0003_c.sql', 'alter table a add column c integer')
  expect(await run()).toEqual(['0001_a.sql', '0002_b.sql', '0003_c.sql'])
  expect(await sql`select from pg_indexes where indexname = 'a_b'`).toHaveLength(1)
})

test('processes that start together apply a file marked "no transaction" once, and none of them fails', async () => {
  await write('0001_a.sql', 'create table a (b integer)')
  await write('0002_b.sql', '-- no transaction\ncreate index concurrently if not exists a_b on a (b)')
  const applied = await Promise.all([run(), run(), run()])
  expect(applied.flat().toSorted()).toEqual(['0001_a.sql', '0002_b.sql'])
})

test('replaces an index that an interrupted migration left unusable', async () => {
  await write('0001_a.sql', 'create table a (b integer); insert into a values (1), (1)')
  await run()
  await expect(sql`create unique index concurrently a_b on a (b)`).rejects.toThrow(
    'could not create unique index',
  )
  await write('0002_b.sql', '-- no transaction\ncreate index concurrently if not exists a_b on a (b)')
  expect(await run()).toEqual(['0002_b.sql'])
  expect(await sql`select indisvalid from pg_index where indexrelid = 'a_b'::regclass`).toEqual([
    { indisvalid: true },
  ])
})

test('rolls back a file that fails', async () => {
  await write('0001_a.sql', 'create table a (); create table a ()')
  await expect(run()).rejects.toThrow('relation "a" already exists')
  expect(await sql`select from pg_tables where tablename = 'a'`).toEqual([])
})

test('keeps the files before one that fails, so that none of their locks are held while a later file waits', async () => {
  await write('0001_a.sql', 'create table a ()')
  await write('0002_b.sql', 'create table a ()')
  await expect(run()).rejects.toThrow('the migration 0002_b.sql failed: relation "a" already exists')
  expect(await sql`select name from schema_migrations`).toEqual([{ name: '0001_a.sql' }])
  await write('0002_b.sql', 'alter table a add column b integer')
  expect(await run()).toEqual(['0002_b.sql'])
})

/** A migration that loses its connection as often as `cuts` says. A sequence keeps its value when that happens. */
const cutOff = (cuts: number) => `-- no transaction
do $$
begin
  if nextval('attempts') <= ${cuts} then
    perform pg_terminate_backend(pg_backend_pid(), 5000);
  end if;
end $$`

describe('a connection that is lost during a migration', () => {
  beforeEach(async () => {
    await sql`create sequence attempts`
  })

  const runWhenReady = () =>
    migrateWhenReady(sql, { folder: pathToFileURL(`${folder}/`), patienceSeconds: 0 })

  test('is waited for, although the time to wait at startup is over', async () => {
    await write('0001_a.sql', cutOff(1))
    await runWhenReady()
    expect(await sql`select name from schema_migrations`).toEqual([{ name: '0001_a.sql' }])
  })

  test('is not waited for without end', async () => {
    await write('0001_a.sql', cutOff(100))
    await expect(runWhenReady()).rejects.toThrow()
    expect(await sql`select last_value::int as n from attempts`).toEqual([{ n: 4 }])
  })
})
