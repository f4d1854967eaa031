import { type Database, type Queryable, retryDeadlock } from '../../db.ts'
import { Turn } from '../../turn.ts'
import { type Skip, skipAll } from '../schedule/plan.ts'
import { jitterMs, type Schedule, type ScheduleFields, shift, tryReadSchedule } from '../schedule/schedule.ts'
import { cursorAt } from '../state/cursor.ts'
import { insertSkips } from '../state/ledger.ts'
import { paused, resumed } from '../state/pause.ts'
import { touch } from '../state/pause-itself.ts'
import { requeueCutShort } from '../state/requeue.ts'
import { scheduleColumns } from '../state/schedule-columns.ts'
import { noteChange, withdrawPaused } from './stop-early.ts'

/**
 * Pauses tasks. Their occurrences are no longer claimed, and their queued scheduled executions are cancelled.
 * Executions that were claimed ahead, and executions of `once` tasks that haven't run, are withdrawn instead, so that
 * their occurrences become due again. Running executions continue. With `until`, the tasks resume automatically.
 * Returns the ids of the tasks that exist.
 */
export async function pauseTasks(
  sql: Database,
  ids: number[],
  { until, reason }: { until: Date | null; reason: string | null },
): Promise<number[]> {
  return await retryDeadlock(() =>
    sql.begin(async (tx) => {
      const locked = await lockStates(tx, ids)
      await withdrawPaused(tx, locked, tx`now()`)
      await noteChange(tx)
      await tx`update task_state s set ${paused(tx, until, reason)} where s.task_id = any(${locked}::int[])`
      await touch(tx, locked)
      return locked
    }),
  )
}

/**
 * Locks the states of tasks, so that nothing claims, changes or settles them until the transaction ends. Returns the
 * ids of the tasks that exist.
 */
async function lockStates(tx: Queryable, ids: number[]): Promise<number[]> {
  const rows = await tx<{ task_id: number }[]>`
    select task_id from task_state
    where task_id = any(${ids}::bigint[])
    order by task_id
    for no key update`
  return rows.map((row) => row.task_id)
}

type PausedTask = ScheduleFields & {
  id: number
  name: string
  next_run_at: Date | null
  /** When the task's last run ended, or now if a run is open. */
  busy_until: Date | null
  now: Date
}

/**
 * Resumes tasks. Occurrences that came due during the pause are recorded as skipped or, with `policy`, handled
 * according to each task's misfire policy. Returns the ids of the tasks that exist.
 */
export async function resumeTasks(
  sql: Database,
  ids: number[],
  missed: 'skip' | 'policy',
): Promise<number[]> {
  return await retryDeadlock(() =>
    sql.begin(async (tx) => await resumeAll(tx, await lockStates(tx, ids), missed)),
  )
}

/**
 * Maximum number of tasks that one tick resumes. Many pauses may end at once, and the tick's other work must not wait
 * for all of them.
 */
const RESUMED_PER_TICK = 1000

/** Resumes the tasks whose pause has ended. */
export async function resumeDue(sql: Database): Promise<void> {
  await sql.begin(async (tx) => {
    const due = await tx<{ task_id: number }[]>`
      select task_id from task_state
      where paused_until <= now()
      order by paused_until
      limit ${RESUMED_PER_TICK}
      for no key update skip locked`
    await resumeAll(
      tx,
      due.map((row) => row.task_id),
      'skip',
    )
  })
}

/** Resumes tasks whose states are locked. */
async function resumeAll(tx: Queryable, ids: number[], missed: 'skip' | 'policy'): Promise<number[]> {
  const tasks = await tx<PausedTask[]>`
    select t.id, t.name, ${scheduleColumns(tx)}, s.next_run_at, now() as now,
      case when s.status is null then s.busy_until else now() end as busy_until
    from task_state s
    join tasks t on t.id = s.task_id
    where s.task_id = any(${ids}::int[]) and s.paused_at is not null
    order by t.id`
  const found: (Missed & { taskId: number })[] = []
  const turn = new Turn()
  for (const task of tasks) {
    if (turn.isOver) await turn.next()
    found.push({ taskId: task.id, ...(missed === 'skip' ? missedBy(task) : leaveDue(task)) })
  }
  await writeResumed(tx, found)
  return ids
}

/**
 * Sends the statements together, since none needs the result of another. The server executes one while the next is on
 * its way.
 */
async function writeResumed(tx: Queryable, tasks: (Missed & { taskId: number })[]): Promise<void> {
  const taskIds = tasks.map((it) => it.taskId)
  await Promise.all([
    insertSkips(
      tx,
      tasks.flatMap(({ taskId, skips }) => skips.map((skip) => ({ taskId, ...skip }))),
    ),
    tx`
      update task_state s
      set ${resumed(tx)}, ${cursorAt(tx, tx`to_timestamp(c.next / 1000)`)}
      from unnest(
        ${taskIds}::int[], ${tasks.map(({ next }) => next?.getTime() ?? null)}::float8[]
      ) as c (task_id, next)
      where s.task_id = c.task_id`.execute(),
    requeueCutShort(tx, taskIds),
    touch(tx, taskIds),
  ])
}

type Missed = { skips: Skip[]; next: Date | null }

const leaveDue = (task: PausedTask): Missed => ({ skips: [], next: task.next_run_at })

function missedBy(task: PausedTask): Missed {
  // A task whose schedule can't be read stays due. The next claim pauses the task again, and records the reason.
  const schedule = tryReadSchedule(task)
  if (schedule === null || task.next_run_at === null) return leaveDue(task)
  const jitter = jitterMs(task.name, task.jitter_seconds)
  const cursor = shift(laterOf(task.next_run_at, delayedUntil(schedule, task.busy_until)), -jitter)
  const { skips, next } = skipAll(schedule, cursor, shift(task.now, -jitter), 'paused')
  return { skips, next: next && shift(next, jitter) }
}

/**
 * Returns the time at which the next run of a task with a fixed delay is due. The delay is measured from the end of the
 * last run, which the cursor may not reflect yet.
 */
function delayedUntil(schedule: Schedule, busyUntil: Date | null): Date | null {
  const isDelayed = schedule.kind === 'interval' && schedule.mode === 'fixed_delay'
  return isDelayed && busyUntil ? shift(busyUntil, schedule.milliseconds) : null
}

const laterOf = (at: Date, other: Date | null): Date => (other !== null && other > at ? other : at)
