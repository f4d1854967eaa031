import { expect, test } from 'vitest'
import { handler as execute } from '../../functions/scheduler/execute.ts'
import { handler as tick } from '../../functions/scheduler/tick.ts'
import { startScheduler } from '../../infra/container/scheduler.ts'
import { config } from '../../shared/config.ts'
import { db } from '../../shared/db.ts'
import { insertTask } from '../setup/rows.ts'
import { until } from '../setup/scheduler.ts'
import { callable } from './callable.ts'

test('a shutdown does not wait for the backlog, and leaves no claims behind', async () => {
  const behind = { misfire_policy: 'fire_all', interval_seconds: 1, next_run_at: '2026-01-01T00:00:00Z' }
  for (let index = 0; index < 100; index += 1)
    await insertTask({ ...behind, name: `behind ${index}`, params: { duration: 0.01 } })
  const settings = { ...config(), tickIntervalMs: 50 }
  const scheduler = startScheduler(callable('tick', tick), callable('execute', execute), settings)
  await until(async () => {
    const [row] = await db()`select from all_executions where status = 'success' limit 1`
    return row !== undefined
  })
  expect(await db()`select runtime from workers`).toEqual([{ runtime: 'container' }])
  await scheduler.stop(60, new AbortController().signal)
  expect(await db()`select from workers`).toEqual([])
  expect(await db()`select id from claims`).toEqual([])
  expect(await db()`select id from whole_tasks where next_run_at < now() - interval '10 s'`).toHaveLength(100)
})
