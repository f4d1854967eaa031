import { afterEach, expect, test, vi } from 'vitest'
import { connect, db, openConnections } from '../../shared/db.ts'
import { eventually } from '../setup/eventually.ts'

test('waits just as long before the twentieth reconnect as before the first', () => {
  const { backoff } = connect('postgres://127.0.0.1:1/none', { max: 1 }).options
  const waits = typeof backoff === 'function' ? [backoff(1), backoff(20)] : []
  expect(waits).toEqual([0.2, 0.2])
})

afterEach(() => vi.unstubAllEnvs())

test('PGSSL applies to a URL without sslmode, as k8s/production expects', () => {
  vi.stubEnv('PGSSL', 'verify-full')
  const { ssl } = connect('postgres://127.0.0.1:1/none', { max: 1 }).options
  const override = connect('postgres://127.0.0.1:1/none?sslmode=require', { max: 1 }).options.ssl
  expect([ssl, override]).toEqual(['verify-full', 'require'])
})

test('arrays reach the database unchanged, regardless of their contents', async () => {
  const texts = ['', 'a,b', '"quoted"', 'back\\slash', '{}', 'NULL', null, 'line\nbreak', 'ü']
  const [row] = await db()<[{ texts: unknown; ids: unknown; instants: unknown }]>`
    select to_jsonb(${texts}::text[]) as texts, to_jsonb(${[1, null, 2 ** 53 - 1]}::bigint[]) as ids,
      to_jsonb(${['2027-03-10T00:00:00.123Z', null]}::timestamptz[]) as instants`
  expect(row).toEqual({
    texts,
    ids: [1, null, 2 ** 53 - 1],
    instants: ['2027-03-10T00:00:00.123+00:00', null],
  })
})

test('an error in the middle of a result does not affect the next result', async () => {
  const sql = connect(process.env.DATABASE_URL ?? '', { max: 1 })
  const failing = sql`select 1 / (5000 - n) from generate_series(1, 100000) n`
  await expect(failing).rejects.toThrow('division by zero')
  expect([...(await sql`select 1 as one`)]).toEqual([{ one: 1 }])
  await sql.end()
})

test('a pool ends immediately, even if its connection was closed during a statement', async () => {
  const sql = connect(process.env.DATABASE_URL ?? '', { max: 1, name: 'ends' })
  const sleeping = expect(sql`select pg_sleep(60)`).rejects.toThrow()
  await eventually(async () => {
    const closed = await db()`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name = 'task-scheduler ends' and wait_event = 'PgSleep'`
    expect(closed).toHaveLength(1)
  })
  await sleeping
  await sql.end()
})

test('opens all connections of a pool', async () => {
  const sql = connect(process.env.DATABASE_URL ?? '', { max: 5, name: 'opens' })
  await openConnections(sql)
  const open = await db()`
    select from pg_stat_activity
    where datname = current_database() and application_name = 'task-scheduler opens'`
  expect(open).toHaveLength(5)
  await sql.end()
})
