import '../setup/doctor.ts'
import { beforeEach, expect, test } from 'vitest'
import { db } from '../../shared/db.ts'
import { emptyTables, insertTask } from '../setup/rows.ts'
import { historyOf, tickAndRun } from '../setup/scheduler.ts'

beforeEach(emptyTables)

/** A task that is due every five minutes stands still from 00:00 to 01:02, for thirteen occurrences. */
const AFTER_AN_HOUR = new Date('2027-03-10T01:02:00Z')

async function stopForAnHour(policies: object): Promise<unknown[]> {
  await insertTask({ interval_seconds: 300, params: { duration: 0 }, ...policies })
  // Ticks as often as fire_all needs: each second.
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

test('fire_once: one run, for the latest; the others are one skipped row', async () => {
  expect(await stopForAnHour({})).toEqual(['misfire 00:00-00:55 x12', 'success 01:00'])
})

test('skip: nothing older than the grace runs', async () => {
  expect(await stopForAnHour({ misfire_policy: 'skip' })).toEqual(['misfire 00:00-01:00 x13'])
})

test('skip runs what is within the grace', async () => {
  expect(await stopForAnHour({ misfire_policy: 'skip', misfire_grace_seconds: 300 })).toEqual([
    'misfire 00:00-00:55 x12',
    'success 01:00',
  ])
})

test('fire_all: each runs, in order', async () => {
  const minutes = ['00', '05', '10', '15', '20', '25', '30', '35', '40', '45', '50', '55']
  expect(await stopForAnHour({ misfire_policy: 'fire_all' })).toEqual([
    ...minutes.map((minute) => `success 00:${minute}`),
    'success 01:00',
  ])
})

test('once runs, however late', async () => {
  const once = { schedule_type: 'once', interval_seconds: null, misfire_policy: 'skip' }
  await insertTask({ ...once, params: { duration: 0 } })
  await tickAndRun(AFTER_AN_HOUR)
  expect(await historyOf(1)).toMatchObject([{ status: 'success' }])
  expect(await db()`select next_run_at from whole_tasks`).toEqual([{ next_run_at: null }])
})
