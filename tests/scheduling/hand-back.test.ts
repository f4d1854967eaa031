import '../setup/doctor.ts'
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connect, type Database } from '../../shared/db.ts'
import { claimsInUse, handBackClaims } from '../../shared/scheduling/repair/drop-claims.ts'
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

/** Inserts a task whose execution is held by this claim, or has ended if `status` is null. Returns the task's id. */
async function insert(status: 'queued' | 'running' | null, claimId: string): Promise<number> {
  const [row] = await sql<[{ task_id: number }]>`
    with t as (
      insert into tasks (name, type, schedule_type) values (${randomUUID()}, 'sleep', 'once') returning id, definition
    )
    insert into task_state
      (task_id, definition, execution_id, scheduled_for, due_at, status, attempt, trigger, claim_id, started_at)
    select t.id, t.definition, nextval('execution_ids'), '2026-01-01Z', '2026-01-01Z', ${status}, 1, 'schedule', ${claimId},
      ${status === 'queued' ? null : sql`now()`}
    from t
    returning task_id`
  await sql`
    insert into claims (id, lease_expires_at, task_ids)
    values (${claimId}, now() + interval '1 minute', array[${row.task_id}::int])
    on conflict (id) do update set task_ids = claims.task_ids || excluded.task_ids`
  return row.task_id
}

const statusOf = async (id: number) =>
  (await sql`select status, claim_id, attempt from task_state where task_id = ${id}`)[0]

test('handing back a claim frees its open executions, running or not, without counting an attempt', async () => {
  const claim = randomUUID()
  const ids = [await insert('queued', claim), await insert('running', claim)]
  expect(await handBackClaims(sql, [claim])).toBe(2)
  const free = { status: 'queued', claim_id: null, attempt: 1 }
  expect(await Promise.all(ids.map(statusOf))).toEqual([free, free])
})

test('handing back a claim does not change other claims or ended executions', async () => {
  const [mine, other] = [randomUUID(), randomUUID()]
  const ids = [await insert(null, mine), await insert('running', other), await insert('queued', other)]
  const before = await Promise.all(ids.map(statusOf))
  expect(await claimsInUse(sql, [mine, other])).toEqual([other])
  expect(await handBackClaims(sql, [mine])).toBe(0)
  expect(await Promise.all(ids.map(statusOf))).toEqual(before)
})

test('accepts an empty list of claims', async () => {
  expect(await claimsInUse(sql, [])).toEqual([])
  expect(await handBackClaims(sql, [])).toBe(0)
})
