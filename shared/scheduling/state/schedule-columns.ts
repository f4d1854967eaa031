import { reusable } from '../../db.ts'

/** The columns of `ScheduleFields`, for a statement that aliases `tasks` as `t`. */
export const scheduleColumns = reusable(
  (sql) => sql`
  t.schedule_type, t.interval_seconds, t.interval_mode, t.cron_expression, t.timezone, t.start_at, t.end_at, t.jitter_seconds`,
)
