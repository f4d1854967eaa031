import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connect, type Database } from '../../shared/db.ts'
import { giveBackClaims, openClaims } from '../../shared/scheduling/give-back.ts'
import { createTestDatabase } from '../setup/test-database.ts'

let database: Awaited<ReturnType<typeof createTestDatabase>>
let sql: Database

beforeAll(async () => {
  database = await createTestDatabase()
  sql = connect(database.url, { max: 1 })
})

afterAll(async () => {
  await sql?.end()
  await database?.drop()
})

/** An execution of a task of its own. */
async function insert(status: 'queued' | 'running' | 'success', claimId: string): Promise<number> {
  const open = status !== 'success'
  const [row] = await sql<[{ id: number }]>`
    with t as (
      insert into tasks (name, type, schedule_type) values (${randomUUID()}, 'sleep', 'once') returning id
    )
    insert into executions
      (task_id, scheduled_for, due_at, status, claim_id, lease_expires_at, started_at, finished_at)
    select t.id, '2026-01-01Z', '2026-01-01Z', ${status}, ${claimId}, ${open ? sql`now() + interval '1 minute'` : null},
      ${status === 'queued' ? null : sql`now()`}, ${open ? null : sql`now()`}
    from t
    returning id`
  return row.id
}

const statusOf = async (id: number) =>
  (
    await sql`select status, claim_id, lease_expires_at, started_at, attempt from executions where id = ${id}`
  )[0]

test('frees what claims still hold, whether it runs or not, and counts no attempt', async () => {
  const claim = randomUUID()
  const ids = [await insert('queued', claim), await insert('running', claim)]
  expect(await giveBackClaims(sql, [claim])).toBe(2)
  const free = { status: 'queued', claim_id: null, lease_expires_at: null, started_at: null, attempt: 1 }
  expect(await Promise.all(ids.map(statusOf))).toEqual([free, free])
})

test('leaves the claims of others, and what has ended', async () => {
  const [mine, other] = [randomUUID(), randomUUID()]
  const ids = [await insert('success', mine), await insert('running', other), await insert('queued', other)]
  const before = await Promise.all(ids.map(statusOf))
  expect(await openClaims(sql, [mine, other])).toEqual([other])
  expect(await giveBackClaims(sql, [mine])).toBe(0)
  expect(await Promise.all(ids.map(statusOf))).toEqual(before)
})

test('takes no claims at all', async () => {
  expect(await openClaims(sql, [])).toEqual([])
  expect(await giveBackClaims(sql, [])).toBe(0)
})
