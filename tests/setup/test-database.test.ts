import postgres from 'postgres'
import { expect, test } from 'vitest'
import { createTestDatabase } from './test-database.ts'

test('concurrent callers each get their own migrated database', async () => {
  const first = await createTestDatabase()
  const others = await Promise.all(Array.from({ length: 12 }, () => createTestDatabase()))
  const databases = [first, ...others]
  await first.sql`delete from schema_migrations`
  const counts = await Promise.all(
    databases.map(
      async ({ sql }) => (await sql<[{ n: number }]>`select count(*)::int as n from schema_migrations`)[0].n,
    ),
  )
  expect(counts).toEqual([0, ...Array(12).fill(expect.toSatisfy((count: number) => count > 0))])
  await Promise.all(databases.map(({ drop }) => drop()))
})

test('drops a database that still has a session', async () => {
  const { url, sql, drop } = await createTestDatabase()
  const other = postgres(url, { max: 1, onnotice: () => {} })
  await other`select 1`
  await drop()
  await expect(sql`select 1`).rejects.toThrow('CONNECTION_ENDED')
  await expect(other`select 1`).rejects.toThrow()
  await other.end()
})
