import type { Fragment, Queryable } from '../../db.ts'
import { logger } from '../../logger.ts'

/**
 * Returns the SET clause that makes a task pause itself if `when` is true. If a person has already paused the task,
 * their reason is kept, but the pause no longer ends by itself.
 */
export const pausedItself = (sql: Queryable, when: Fragment, reason: Fragment): Fragment => sql`
  paused_until = case when ${when} then null else s.paused_until end,
  pause_reason = case when ${when} then coalesce(s.pause_reason, ${reason}) else s.pause_reason end,
  paused_at = case when ${when} then coalesce(s.paused_at, now()) else s.paused_at end`

/** A task that has paused itself. */
export type PausedItself = { task_id: number; task_name: string; reason: string | null }

/** Logs an ERROR for each task. Call it once the pause is committed. */
export function reportPaused(tasks: PausedItself[]): void {
  for (const task of tasks) logger.error('task paused itself', task)
}

/** Returns the pause reason of a task `t` whose occurrence was lost more times than its `crash_limit` allows. */
export const lossReason = (sql: Queryable): Fragment => sql`
  'one occurrence was lost ' || (t.crash_limit + 1) || ' times: more than its crash_limit'`

/** Returns the guard for undoing a pause that was caused by losses. */
export const pausedByLoss = (sql: Queryable): Fragment => sql`
  s.status is null and s.paused_at is not null and coalesce(starts_with(s.pause_reason, 'one occurrence was lost '), false)`

/** Returns the SET clause that ends a pause if `when` is true. */
export const resumedWhere = (sql: Queryable, when: Fragment): Fragment => sql`
  paused_at = case when ${when} then null else s.paused_at end,
  paused_until = case when ${when} then null else s.paused_until end,
  pause_reason = case when ${when} then null else s.pause_reason end`

/** Increments the version of tasks, since their pause has changed. */
export async function touch(tx: Queryable, taskIds: number[]): Promise<void> {
  if (taskIds.length === 0) return
  await tx`update tasks set version = version + 1, updated_at = now() where id = any(${taskIds}::int[])`
}
