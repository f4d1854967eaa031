import '../setup/doctor.ts'
import { beforeEach, expect, test } from 'vitest'
import { db } from '../../shared/db.ts'
import { emptyTables, insertTask } from '../setup/rows.ts'
import { historyOf, tickAndRun } from '../setup/scheduler.ts'

beforeEach(emptyTables)

/**
 * The time of the first tick after an outage that began before 00:00. A task that is due every five minutes has missed
 * thirteen occurrences.
 */
const AFTER_AN_HOUR = new Date('2027-03-10T01:02:00Z')

async function stopForAnHour(policies: object): Promise<unknown[]> {
  await insertTask({ interval_seconds: 300, params: { duration: 0 }, ...policies })
  // Enough ticks for the fire_all policy, which runs one occurrence per tick.
  for (let second = 0; second < 15; second += 1) {
    await tickAndRun(new Date(AFTER_AN_HOUR.getTime() + second * 1000))
  }
  const time = (at: Date | null) => at?.toISOString().slice(11, 16)
  return (await historyOf(1)).map((it) =>
    it.status === 'skipped'
      ? `${it.skip_reason} ${time(it.scheduled_for)}-${time(it.skipped_until)} x${it.skipped_count}`
      : `${it.status} ${time(it.scheduled_for)}`,
  )
}

test('the fire_once policy runs the latest occurrence and records the others as one skipped row', async () => {
  expect(await stopForAnHour({})).toEqual(['misfire 00:00-00:55 x12', 'success 01:00'])
})

test('the skip policy skips occurrences that are more than misfire_grace_seconds late', async () => {
  expect(await stopForAnHour({ misfire_policy: 'skip' })).toEqual(['misfire 00:00-01:00 x13'])
})

test('the skip policy runs an occurrence that is at most misfire_grace_seconds late', async () => {
  expect(await stopForAnHour({ misfire_policy: 'skip', misfire_grace_seconds: 300 })).toEqual([
    'misfire 00:00-00:55 x12',
    'success 01:00',
  ])
})

test('the fire_all policy runs every missed occurrence in order', async () => {
  const minutes = ['00', '05', '10', '15', '20', '25', '30', '35', '40', '45', '50', '55']
  expect(await stopForAnHour({ misfire_policy: 'fire_all' })).toEqual([
    ...minutes.map((minute) => `success 00:${minute}`),
    'success 01:00',
  ])
})

test('a `once` task runs no matter how late it is', async () => {
  const once = { schedule_type: 'once', interval_seconds: null, misfire_policy: 'skip' }
  await insertTask({ ...once, params: { duration: 0 } })
  await tickAndRun(AFTER_AN_HOUR)
  expect(await historyOf(1)).toMatchObject([{ status: 'success' }])
  expect(await db()`select next_run_at from whole_tasks`).toEqual([{ next_run_at: null }])
})
