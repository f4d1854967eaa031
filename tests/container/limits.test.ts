import { expect, test, vi } from 'vitest'
import { handler as execute } from '../../functions/scheduler/execute.ts'
import { handler as tick } from '../../functions/scheduler/tick.ts'
import { startScheduler } from '../../infra/container/scheduler.ts'
import { config } from '../../shared/config.ts'
import { db } from '../../shared/db.ts'
import { runnerOf } from '../../shared/runners/index.ts'
import { insertTask, nowPlus } from '../setup/rows.ts'
import { until } from '../setup/scheduler.ts'
import { callable } from './callable.ts'

// Runs before the imports, which read the settings.
vi.hoisted(() => {
  process.env.MAX_CONCURRENT_EXECUTIONS = '3'
})

test('never has more than MAX_CONCURRENT_EXECUTIONS runs at once, whether they were claimed ahead of time or once they were due', async () => {
  const once = { schedule_type: 'once', interval_seconds: null, params: { duration: 0.05 } }
  for (let index = 0; index < 12; index += 1) {
    await insertTask({ ...once, name: `due ${index}`, next_run_at: '2026-01-01T00:00:00Z' })
    await insertTask({ ...once, name: `soon ${index}`, next_run_at: await nowPlus(0.2) })
  }
  const sleep = runnerOf('sleep')
  if (!sleep) throw new Error('there is no sleep runner')
  const { run } = sleep
  let [running, most] = [0, 0]
  sleep.run = async (params, about) => {
    running += 1
    most = Math.max(most, running)
    return await run(params, about).finally(() => {
      running -= 1
    })
  }
  const settings = { ...config(), tickIntervalMs: 50 }
  const scheduler = startScheduler(callable('tick', tick), callable('execute', execute), settings)
  await until(async () => {
    const [row] = await db()`select from all_executions where status = 'success' having count(*) = 24`
    return row !== undefined
  })
  await scheduler.stop(1, new AbortController().signal)
  sleep.run = run
  expect(most).toBe(3)
})
