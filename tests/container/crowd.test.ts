import { afterAll, beforeAll, expect, test } from 'vitest'
import { db } from '../../shared/db.ts'
import { type Replica, startReplica } from '../chaos/replica.ts'
import { eventually } from '../setup/eventually.ts'
import { emptyTables, insertTask } from '../setup/rows.ts'

const HOUR = { params: { duration: 3600 }, timeout_seconds: 3600 }

let replica: Replica

beforeAll(async () => {
  await emptyTables()
  const settings = { TICK_INTERVAL_MS: '200', MAX_CONCURRENT_EXECUTIONS: '32', LOG_LEVEL: 'WARN' }
  replica = await startReplica(process.env.DATABASE_URL ?? '', settings)
})

afterAll(async () => {
  await replica.kill()
  await emptyTables()
})

const successes = async (taskId: number): Promise<number> => {
  const [row] = await db()<[{ count: number }]>`
    select count(*)::int from executions where task_id = ${taskId} and status = 'success'`
  return row.count
}

const soon = (name: string, given: object) =>
  insertTask({ name, interval_seconds: 1, next_run_at: new Date(), params: {}, ...given })

test('a worker full of long runs still starts quick tasks, new tasks and manual runs', async () => {
  const known = await soon('known', { type: 'counter' })
  await eventually(async () => expect(await successes(known)).toBeGreaterThan(0))
  for (let number = 0; number < 60; number += 1) {
    await insertTask({ name: `crowd ${number}`, next_run_at: new Date(), ...HOUR })
  }
  await eventually(async () => {
    const [row] = await db()`select count(*)::int from task_state where status = 'running'`
    expect(row?.count).toBeGreaterThanOrEqual(28)
  })
  const before = await successes(known)
  const added = await soon('new', { type: 'counter' })
  const manual = await insertTask({ name: 'manual', next_run_at: null, params: { duration: 0 } })
  const asked = await fetch(`${replica.url}/tasks/${manual}/run`, {
    method: 'POST',
    headers: { 'x-api-key': 'chaos' },
  })
  expect(await asked.json()).toMatchObject({ trigger: 'manual' })
  await eventually(async () => {
    expect(await successes(known)).toBeGreaterThan(before + 2)
    expect(await successes(added)).toBeGreaterThan(2)
    expect(await successes(manual)).toBe(1)
  }, 20)
  await eventually(() => expect(replica.warnings.join()).toContain('all slots are taken'), 20)
})
