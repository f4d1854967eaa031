import type { Queryable } from '../../db.ts'
import { jitterMs, nextAfter, type ScheduleFields, shift, tryReadSchedule } from '../schedule/schedule.ts'
import { cursorAt } from '../state/cursor.ts'
import { scheduleColumns } from '../state/schedule-columns.ts'

type Ended = ScheduleFields & { id: number; name: string; last: Date }

/**
 * Reopens schedules that ended because `max_runs` was reached, if the last run no longer counts because it never
 * started. The cursor moves to the occurrence after the last one in the ledger. The rows must be locked.
 */
export async function reopenSchedules(tx: Queryable, taskIds: number[]): Promise<void> {
  if (taskIds.length === 0) return
  const ended = await tx<Ended[]>`
    select t.id, t.name, ${scheduleColumns(tx)}, greatest(s.scheduled_for, e.at) as last
    from task_state s
    join tasks t on t.id = s.task_id
    left join lateral (
      select coalesce(skipped_until, scheduled_for) as at from executions
      where task_id = s.task_id and trigger = 'schedule'
      order by scheduled_for desc
      limit 1
    ) e on true
    where s.task_id = any(${taskIds}::int[]) and s.next_run_at is null and s.status is null and s.trigger = 'schedule'
      and t.schedule_type <> 'once' and t.max_runs > s.runs`
  const cursors = ended.map((task) => ({ id: task.id, next: nextOf(task) })).filter((it) => it.next !== null)
  if (cursors.length === 0) return
  await tx`
    update task_state s
    set ${cursorAt(tx, tx`to_timestamp(c.next / 1000)`)}
    from unnest(
      ${cursors.map((it) => it.id)}::int[], ${cursors.map((it) => it.next)}::float8[]
    ) as c (task_id, next)
    where s.task_id = c.task_id`
}

/**
 * Returns the next occurrence with its jitter, in milliseconds since 1970, or null if there is none or the schedule
 * can't be read.
 */
function nextOf(task: Ended): number | null {
  const schedule = tryReadSchedule(task)
  const next = schedule && nextAfter(schedule, task.last, task.last)
  return next && shift(next, jitterMs(task.name, task.jitter_seconds)).getTime()
}
