import { afterAll, beforeAll, expect, test } from 'vitest'
import { db } from '../../shared/db.ts'
import { type Replica, startReplica } from '../chaos/replica.ts'
import { eventually } from '../setup/eventually.ts'
import { emptyTables, insertTask } from '../setup/rows.ts'

let replica: Replica

beforeAll(async () => {
  await emptyTables()
  const settings = { TICK_INTERVAL_MS: '200', MAX_CONCURRENT_EXECUTIONS: '8', LOG_LEVEL: 'WARN' }
  replica = await startReplica(process.env.DATABASE_URL ?? '', settings)
})

afterAll(async () => {
  await replica.kill()
  await emptyTables()
})

test('a worker with only eight slots still starts a new task when it is full of long runs', async () => {
  for (let number = 0; number < 20; number += 1) {
    const params = { duration: 3600 }
    await insertTask({ name: `crowd ${number}`, next_run_at: new Date(), params, timeout_seconds: 3600 })
  }
  await eventually(async () => {
    const [row] = await db()`select count(*)::int from task_state where status = 'running'`
    expect(row?.count).toBeGreaterThanOrEqual(6)
  })
  const added = await insertTask({
    name: 'new',
    type: 'counter',
    interval_seconds: 1,
    next_run_at: new Date(),
    params: {},
  })
  await eventually(async () => {
    const rows = await db()`select from executions where task_id = ${added} and status = 'success'`
    expect(rows.length).toBeGreaterThan(1)
  }, 20)
})
