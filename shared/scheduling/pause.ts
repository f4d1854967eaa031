import { type Database, type Queryable, retryDeadlock } from '../db.ts'
import { type Skip, skipAll } from './plan.ts'
import { jitterMs, type ScheduleFields, shift, tryReadSchedule } from './schedule.ts'

/**
 * Pauses tasks: nothing of their schedules is claimed any more, and what is queued is cancelled, but for what was claimed
 * ahead and what runs once: that is to come again. What runs goes on. With `until` they are resumed by themselves then. Gives
 * the ids of those there are.
 */
export async function pauseTasks(
  sql: Database,
  ids: number[],
  { until, reason }: { until: Date | null; reason: string | null },
): Promise<number[]> {
  return await retryDeadlock(() =>
    sql.begin(async (tx) => {
      const paused = await tx<{ id: number }[]>`
        update tasks
        set paused_at = coalesce(paused_at, now()), paused_until = ${until}, pause_reason = ${reason},
          version = version + 1, updated_at = now()
        where id = any(${ids}::bigint[])
        returning id`
      await tx`
        with withdrawn as (
          delete from executions e
          using tasks t
          where t.id = e.task_id and e.task_id = any(${ids}::bigint[]) and e.status = 'queued'
            and e.trigger = 'schedule' and e.attempt = 1 and (e.scheduled_for > now() or t.schedule_type = 'once')
          returning e.task_id, e.due_at
        )
        update tasks set next_run_at = due_at, runs = runs - 1 from withdrawn where id = task_id`
      await tx`
        with cancelled as (
          update executions
          set status = 'cancelled', detail = 'the task was paused', finished_at = now(), lease_expires_at = null
          where task_id = any(${paused.map(({ id }) => id)}::int[]) and status = 'queued' and trigger = 'schedule'
          returning task_id, attempt
        )
        update tasks set runs = runs - 1 from cancelled where id = task_id and attempt = 1`
      return paused.map(({ id }) => id)
    }),
  )
}

type PausedTask = ScheduleFields & {
  id: number
  name: string
  next_run_at: Date | null
  paused_at: Date | null
  now: Date
}

/**
 * Resumes tasks. What came due during the pause is recorded as skipped, or, with `policy`, left to each task's
 * misfire policy. Gives the ids of those there are.
 */
export async function resumeTasks(
  sql: Database,
  ids: number[],
  missed: 'skip' | 'policy',
): Promise<number[]> {
  return await retryDeadlock(() =>
    sql.begin(async (tx) => {
      const tasks = await lockPaused(tx, tx`t.id = any(${ids}::bigint[])`)
      for (const task of tasks) await resume(tx, task, missed)
      return tasks.map(({ id }) => id)
    }),
  )
}

/** Many pauses may end together: no tick resumes them all while others wait. */
const RESUMED_PER_TICK = 200

/** Resumes the tasks whose pause was to end by now. */
export async function resumeDue(sql: Database): Promise<void> {
  const [due] = await sql<
    [{ some: boolean }]
  >`select exists (select from tasks where paused_until <= now()) as some`
  if (!due.some) return
  await sql.begin(async (tx) => {
    const tasks = await lockPaused(
      tx,
      tx`t.id in (
        select id from tasks where paused_until <= now() order by paused_until limit ${RESUMED_PER_TICK}
      )`,
    )
    for (const task of tasks) await resume(tx, task, 'skip')
  })
}

async function lockPaused(tx: Queryable, which: ReturnType<Queryable>): Promise<PausedTask[]> {
  return await tx<PausedTask[]>`
    select t.id, t.name, t.schedule_type, t.interval_seconds, t.interval_mode, t.cron_expression, t.timezone,
      t.start_at, t.end_at, t.jitter_seconds, t.next_run_at, t.paused_at, now() as now
    from tasks t
    where ${which}
    order by t.id
    for no key update of t`
}

async function resume(tx: Queryable, task: PausedTask, missed: 'skip' | 'policy'): Promise<void> {
  if (task.paused_at === null) return
  const { skips, next } = missed === 'skip' ? missedBy(task) : leaveDue(task)
  for (const skip of skips) await insertSkip(tx, task.id, skip)
  await tx`
    update tasks
    set paused_at = null, paused_until = null, pause_reason = null, consecutive_failures = 0,
      next_run_at = ${next}, version = version + 1, updated_at = now()
    where id = ${task.id}`
}

type Missed = { skips: Skip[]; next: Date | null }

const leaveDue = (task: PausedTask): Missed => ({ skips: [], next: task.next_run_at })

function missedBy(task: PausedTask): Missed {
  // Unreadable, it stays due: the next claim pauses the task again and says why.
  const schedule = tryReadSchedule(task)
  if (schedule === null || task.next_run_at === null) return leaveDue(task)
  const jitter = jitterMs(task.name, task.jitter_seconds)
  const cursor = shift(task.next_run_at, -jitter)
  const { skips, next } = skipAll(schedule, cursor, shift(task.now, -jitter), 'paused')
  return { skips, next: next && shift(next, jitter) }
}

/** The row of occurrences that don't run. */
export async function insertSkip(
  tx: Queryable,
  taskId: number,
  { reason, first, last, count }: Skip,
): Promise<void> {
  await tx`
    insert into executions
      (task_id, scheduled_for, due_at, status, finished_at, skip_reason, skipped_until, skipped_count)
    values (${taskId}, ${first}, ${first}, 'skipped', now(), ${reason}, ${last}, ${count})
    on conflict do nothing`
}
