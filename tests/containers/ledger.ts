import { expect } from 'vitest'
import type { Database } from '../../shared/db.ts'

/** Asserts that no run was lost or duplicated. Counter tasks must run every second, and sleep tasks once. */
export async function checkLedger(sql: Database): Promise<void> {
  const failures = await sql`
    select status, detail, count(*) from executions
    where status not in ('success', 'lost', 'skipped', 'cancelled') group by status, detail`
  expect(failures, 'no execution failed or timed out').toEqual([])

  const twice = await sql`
    select task_id, scheduled_for from executions
    where status = 'success' group by task_id, scheduled_for having count(*) > 1`
  expect(twice, 'no occurrence succeeded twice').toEqual([])

  const overlaps = await sql`
    select a.id, b.id
    from executions a
    join executions b on b.task_id = a.task_id and b.id > a.id
    where a.status in ('success', 'lost') and b.status in ('success', 'lost')
      and (a.started_at, a.finished_at) overlaps (b.started_at, b.finished_at)`
  expect(overlaps, 'no two runs of a task overlapped').toEqual([])

  const miscounted = await sql`
    select t.name, t.params, count(e.id)
    from tasks t
    left join executions e on e.task_id = t.id and e.status = 'success'
    where t.type = 'counter'
    group by t.id
    having coalesce((t.params ->> 'count')::int, 0) <> count(e.id)`
  expect(miscounted, 'each counter equals the number of its successful runs').toEqual([])

  const unaccounted = await sql`
    select t.name, count(*) filter (where e.attempt = 1) + sum(coalesce(e.skipped_count - 1, 0)) as accounted,
      extract(epoch from max(coalesce(e.skipped_until, e.scheduled_for)) - min(e.scheduled_for)) + 1 as due
    from tasks t
    join executions e on e.task_id = t.id
    where t.type = 'counter'
    group by t.id
    having count(*) filter (where e.attempt = 1) + sum(coalesce(e.skipped_count - 1, 0))
      <> extract(epoch from max(coalesce(e.skipped_until, e.scheduled_for)) - min(e.scheduled_for)) + 1`
  expect(unaccounted, 'every occurrence ran or has a row that says why it was skipped').toEqual([])

  const asleep = await sql`
    select t.name from tasks t
    where t.type = 'sleep'
      and (select count(*) from executions e where e.task_id = t.id and e.status = 'success') <> 1`
  expect(asleep, 'every sleep task succeeded exactly once').toEqual([])
}
