import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { migrate } from '../../infra/migrations/migrate.ts'
import type { Database } from '../../shared/db.ts'
import { openOldDatabase } from './old-database.ts'

const AT = '2026-03-10T00:00:00.000Z'
const CLAIM = '9f1c3c0e-5b3a-4b8e-9d0f-000000000000'

let sql: Database
let drop: () => Promise<void>

beforeEach(async () => {
  const database = await openOldDatabase('0001_tasks_and_executions.sql')
  sql = database.sql
  drop = database.drop
})

afterEach(() => drop())

async function task(given: object = {}): Promise<number> {
  const name = randomBytes(4).toString('hex')
  const row = {
    name,
    type: 'sleep',
    schedule_type: 'interval',
    interval_seconds: 60,
    next_run_at: AT,
    ...given,
  }
  const [{ id }] = await sql<[{ id: number }]>`insert into tasks ${sql(row)} returning id`
  return id
}

async function execution(task_id: number, status: string, given: object = {}): Promise<number> {
  const claimed = { claim_id: CLAIM, lease_expires_at: AT }
  const row = {
    task_id,
    status,
    scheduled_for: AT,
    due_at: AT,
    ...(status === 'running' ? claimed : {}),
    started_at: status === 'queued' ? null : AT,
    finished_at: status === 'queued' || status === 'running' ? null : AT,
    ...given,
  }
  const [{ id }] = await sql<[{ id: string }]>`insert into executions ${sql(row)} returning id`
  return Number(id)
}

const stateOf = async (taskId: number) => {
  const [row] = await sql<[Record<string, unknown>]>`
    select *, execution_id::int as execution_id from task_state where task_id = ${taskId}`
  return row
}

const ledgerOf = (taskId: number) => sql`
  select id::int as id, status, attempt from executions where task_id = ${taskId} order by id`

test('keeps ended executions and the state of each task', async () => {
  const state = {
    paused_at: AT,
    paused_until: '2027-01-01T00:00:00Z',
    pause_reason: 'maintenance',
    runs: 7,
    consecutive_failures: 2,
    run_queued_at: AT,
  }
  const id = await task(state)
  await execution(id, 'success', { result: sql.json({ slept_seconds: 1 }) })
  const later = '2026-03-10T00:01:00.000Z'
  await execution(id, 'failed', {
    scheduled_for: later,
    started_at: later,
    finished_at: '2026-03-10T00:01:05Z',
  })
  const skip = { skip_reason: 'overlap', skipped_until: AT, skipped_count: 3, started_at: null }
  await execution(id, 'skipped', { scheduled_for: '2026-03-10T00:02:00Z', ...skip })
  const ledger = () => sql`
    select id, task_id, scheduled_for, attempt, trigger, status, due_at, started_at, finished_at, detail, result, skip_reason,
      skipped_until, skipped_count
    from executions order by id`
  const before = [...(await ledger())]

  await migrate(sql)

  expect([...(await ledger())]).toEqual(before)
  expect(await stateOf(id)).toMatchObject({
    status: null,
    next_run_at: new Date(AT),
    paused_at: new Date(AT),
    paused_until: new Date(state.paused_until),
    pause_reason: 'maintenance',
    runs: 7,
    consecutive_failures: 2,
    run_queued_at: new Date(AT),
    scheduled_for: new Date(later),
    busy_from: new Date(later),
    busy_until: new Date('2026-03-10T00:01:05Z'),
  })
})

test('a queued retry stays queued, and keeps its id and its failure count', async () => {
  const id = await task()
  const failed = await execution(id, 'failed')
  const due_at = '2099-01-01T00:00:00.000Z'
  const waiting = await execution(id, 'queued', { attempt: 2, due_at })

  await migrate(sql)

  expect(await ledgerOf(id)).toEqual([{ id: failed, status: 'failed', attempt: 1 }])
  expect(await stateOf(id)).toMatchObject({
    execution_id: waiting,
    status: 'queued',
    attempt: 2,
    failures: 1,
    losses: 0,
    claim_id: null,
    due_at: new Date(due_at),
    unheld_due_at: new Date(due_at),
  })
})

test('frees executions that were claimed but not started', async () => {
  const id = await task()
  const claimed = await execution(id, 'queued', { claim_id: CLAIM, lease_expires_at: '2099-01-01T00:00:00Z' })

  await migrate(sql)

  const free = { execution_id: claimed, status: 'queued', attempt: 1, claim_id: null }
  expect(await stateOf(id)).toMatchObject({ ...free, unheld_due_at: new Date(AT) })
})

test('a running execution is marked lost and requeued as the next attempt', async () => {
  const id = await task()
  const running = await execution(id, 'running')

  await migrate(sql)

  expect(await ledgerOf(id)).toEqual([{ id: running, status: 'lost', attempt: 1 }])
  const state = await stateOf(id)
  expect(state).toMatchObject({
    status: 'queued',
    execution_id: running + 1,
    attempt: 2,
    losses: 1,
    failures: 0,
  })
  expect(state.busy_from).toEqual(new Date(AT))
  expect(state.unheld_due_at).toEqual(state.busy_until)
})

test('a running execution whose cancellation was requested is not requeued', async () => {
  const id = await task()
  await execution(id, 'running', { cancel_requested_at: AT })

  await migrate(sql)

  expect(await ledgerOf(id)).toMatchObject([{ status: 'lost' }])
  expect(await stateOf(id)).toMatchObject({ status: null, unheld_due_at: null, paused_at: null })
})

test('a running execution is not requeued if its losses exceed the crash_limit', async () => {
  const once = await task({ crash_limit: 0 })
  await execution(once, 'running')
  const thrice = await task({ crash_limit: 2 })
  await execution(thrice, 'lost')
  await execution(thrice, 'running', { attempt: 2 })

  await migrate(sql)

  const pause_reason = 'one occurrence was lost 1 times: more than its crash_limit'
  const paused = { status: null, paused_at: expect.any(Date), paused_until: null, pause_reason }
  expect(await stateOf(once)).toMatchObject(paused)
  expect(await stateOf(thrice)).toMatchObject({ status: 'queued', attempt: 3, losses: 2, paused_at: null })
})

test('ids continue after the largest id ever used', async () => {
  const kept = await task()
  await execution(kept, 'success')
  const deleted = await task()
  const last = await execution(deleted, 'success')
  await sql`delete from tasks where id = ${deleted}`

  await migrate(sql)

  const [{ next }] = await sql<[{ next: number }]>`select nextval('execution_ids')::int as next`
  expect(next).toBe(last + 1)
})

test('the first execution in an empty database gets id 1', async () => {
  await migrate(sql)
  const [{ next }] = await sql<[{ next: number }]>`select nextval('execution_ids')::int as next`
  expect(next).toBe(1)
})
