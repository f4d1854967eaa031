import { expect, test, vi } from 'vitest'
import { handler as execute } from '../../functions/scheduler/execute.ts'
import { handler as tick } from '../../functions/scheduler/tick.ts'
import { startScheduler } from '../../infra/container/scheduler.ts'
import { config } from '../../shared/config.ts'
import { db } from '../../shared/db.ts'
import { insertTask } from '../setup/rows.ts'
import { until } from '../setup/scheduler.ts'
import { callable } from './callable.ts'

// Runs before the imports, which read the settings.
vi.hoisted(() => {
  process.env.MAX_CONCURRENT_EXECUTIONS = '2'
})

test('a full worker claims again as soon as it has free slots, and holds no claims after it stops', async () => {
  const once = { schedule_type: 'once', interval_seconds: null, next_run_at: '2026-01-01T00:00:00Z' }
  for (let index = 0; index < 20; index += 1)
    await insertTask({ ...once, name: `once ${index}`, params: { duration: 0 } })
  const settings = { ...config(), tickIntervalMs: 3_600_000 }
  const scheduler = startScheduler(callable('tick', tick), callable('execute', execute), settings)
  await until(async () => {
    const [row] = await db()`select from all_executions where status = 'success' having count(*) = 20`
    return row !== undefined
  })
  await scheduler.stop(1, new AbortController().signal)
  expect(await db()`select id from all_executions where status <> 'success'`).toEqual([])
  expect(await db()`select id from claims`).toEqual([])
})
