import '../setup/doctor.ts'
import { beforeEach, expect, test } from 'vitest'
import { db } from '../../shared/db.ts'
import { emptyTables, insertTask } from '../setup/rows.ts'
import { newExecutor, tickAndRun } from '../setup/scheduler.ts'

beforeEach(emptyTables)

const MINUTE = 60_000
const DAY = 1440 * MINUTE

type Change = { zone: string; day: string; expected: Record<string, number> }

/**
 * Expected number of runs in the three days around each clock change. A task with a fixed time of day runs once a day.
 * An expression whose hour is `*` runs all day long, and the day of the change has 23, 23.5, 24.5 or 25 hours.
 */
const changes: Change[] = [
  {
    zone: 'America/New_York',
    day: '2027-03-14',
    expected: { '30 2 * * *': 3, '15 * * * *': 71, '*/30 * * * *': 142 },
  },
  {
    zone: 'America/New_York',
    day: '2027-11-07',
    expected: { '30 1 * * *': 3, '15 * * * *': 73, '*/30 * * * *': 146 },
  },
  {
    zone: 'Australia/Lord_Howe',
    day: '2027-04-04',
    expected: { '45 1 * * *': 3, '15 12 * * *': 3, '*/30 * * * *': 145 },
  },
  {
    zone: 'Australia/Lord_Howe',
    day: '2027-10-03',
    expected: { '15 2 * * *': 3, '15 12 * * *': 3, '*/30 * * * *': 143 },
  },
  {
    zone: 'Pacific/Chatham',
    day: '2027-04-04',
    expected: { '0 3 * * *': 3, '15 * * * *': 73, '*/30 * * * *': 146 },
  },
  {
    zone: 'Pacific/Chatham',
    day: '2027-09-26',
    expected: { '0 3 * * *': 3, '15 * * * *': 71, '*/30 * * * *': 142 },
  },
]

const offset = (zone: string, at: number): number => {
  const shown = new Date(at).toLocaleString('sv-SE', { timeZone: zone })
  return Date.parse(`${shown.replace(' ', 'T')}Z`) - at
}

/** Returns midnight in this zone, in ms since 1970. No zone above changes its clock at midnight. */
function midnight(zone: string, day: number): number {
  const guess = day - offset(zone, day)
  return day - offset(zone, guess)
}

test.each(changes)(
  'runs each occurrence exactly once: $zone, around $day',
  async ({ zone, day, expected }) => {
    const first = midnight(zone, Date.parse(`${day}T00:00:00Z`) - DAY)
    const end = midnight(zone, Date.parse(`${day}T00:00:00Z`) + 2 * DAY)
    const tasks = new Map<string, number>()
    for (const expression of Object.keys(expected)) {
      const id = await insertTask({
        name: `${zone} ${day} ${expression}`,
        schedule_type: 'cron',
        interval_seconds: null,
        cron_expression: expression,
        timezone: zone,
        params: { duration: 0 },
        next_run_at: new Date(first),
      })
      tasks.set(expression, id)
    }
    // The cursor starts one second before the first day. A task runs at its cursor even if its schedule doesn't include
    // that time, but the query below doesn't count that run.
    const before = first - 1000
    await db()`update task_state set next_run_at = ${new Date(before)} where task_id = any(${[...tasks.values()]}::int[])`
    const executor = newExecutor()
    for (let at = before; at < end; at += 15 * MINUTE) await tickAndRun(new Date(at), executor)
    for (const [expression, id] of tasks) {
      const rows = await db()<{ at: Date }[]>`
      select scheduled_for as at from all_executions
      where task_id = ${id} and scheduled_for >= ${new Date(first)} and scheduled_for < ${new Date(end)}`
      expect(rows.length, expression).toBe(expected[expression])
      expect(new Set(rows.map(({ at }) => at.getTime())).size).toBe(rows.length)
    }
    expect(await db()`select distinct status from all_executions`).toEqual([{ status: 'success' }])
  },
)
