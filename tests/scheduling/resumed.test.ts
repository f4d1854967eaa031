import '../setup/doctor.ts'
import { beforeEach, expect, test } from 'vitest'
import { db } from '../../shared/db.ts'
import { pauseTasks, resumeTasks } from '../../shared/scheduling/control/pause.ts'
import { emptyTables, insertTask, nowPlus } from '../setup/rows.ts'
import { historyOf, tickAndRun } from '../setup/scheduler.ts'

beforeEach(emptyTables)

const pause = () => pauseTasks(db(), [1], { until: null, reason: null })
const statuses = async () => (await historyOf(1)).map(({ status, attempt }) => `${attempt} ${status}`)

test('a `once` task that was paused during its backoff makes its next attempt when it is resumed', async () => {
  await insertTask({
    type: 'http',
    schedule_type: 'once',
    interval_seconds: null,
    next_run_at: await nowPlus(-1),
    params: { url: 'http://127.0.0.1:1/' },
    max_attempts: 3,
    retry_backoff_seconds: 60,
  })
  await tickAndRun()
  await pause()
  expect(await statuses()).toEqual(['1 failed', '2 cancelled'])
  await resumeTasks(db(), [1], 'skip')
  await tickAndRun()
  expect(await statuses()).toEqual(['1 failed', '2 cancelled', '3 failed', '4 queued'])
})

test('a `once` task that has already run does not run again when resumed', async () => {
  const once = { schedule_type: 'once', interval_seconds: null, next_run_at: await nowPlus(-1) }
  await insertTask({ ...once, params: { duration: 0 } })
  await tickAndRun()
  await pause()
  await resumeTasks(db(), [1], 'skip')
  await tickAndRun()
  expect(await statuses()).toEqual(['1 success'])
})

test.for([
  ['one skip for a fixed-delay task that became due', 5, 1],
  ['no skip for a fixed-delay task that did not become due', 3600, 0],
])('records %s during a pause', async ([, interval_seconds, skipped]) => {
  await insertTask({ interval_mode: 'fixed_delay', interval_seconds, next_run_at: await nowPlus(-60) })
  await db()`
    update task_state set busy_from = now() - interval '50 s', busy_until = now() - interval '40 s',
      paused_at = now() - interval '30 s'`
  await resumeTasks(db(), [1], 'skip')
  const rows = await db()`select skipped_count::int as count, skip_reason from executions`
  expect(rows).toEqual(skipped === 0 ? [] : [{ count: 1, skip_reason: 'paused' }])
})
