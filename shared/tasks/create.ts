import { config } from '../config.ts'
import type { Database, Fragment, Queryable } from '../db.ts'
import { AppError } from '../errors.ts'
import {
  firstOccurrence,
  jitterMs,
  readSchedule,
  requireWithin,
  type ScheduleFields,
  shift,
} from '../scheduling/schedule/schedule.ts'
import { FIELDS, type ScheduleValues } from './fields.ts'
import { noHistory } from './history.ts'
import { checkParams, type TaskCreate } from './input.ts'
import { requireWithinLimits } from './limits.ts'
import { type Task, type TaskRow, taskColumns, toTask } from './task.ts'

/** The key of the advisory lock for counting tasks. Any number works, as long as every replica uses the same one. */
const LOCK = 7_220_532

/**
 * Creates a task. Throws `invalid` for an invalid schedule, invalid params or values beyond a limit, or if there are
 * already MAX_TASKS tasks. Throws `conflict` if the name is already taken.
 */
export async function createTask(sql: Database, input: TaskCreate): Promise<Task> {
  const { maxTasks } = config()
  if (maxTasks === undefined) return await insertTask(sql, input)
  return await sql.begin(async (tx) => {
    // Tasks are created one at a time, so that two requests can't both take the last place.
    await tx`select pg_advisory_xact_lock(${LOCK})`
    return await insertTask(tx, input, maxTasks)
  })
}

async function insertTask(sql: Queryable, input: TaskCreate, most?: number): Promise<Task> {
  const params = input.params ?? {}
  checkParams(input.type, params)
  const taken = () => new AppError('conflict', `a task named ${JSON.stringify(input.name)} already exists`)
  const [before] = await sql<[{ now: Date; taken: boolean; full: boolean }]>`
    select now(), exists (select from tasks where name = ${input.name}) as taken, ${isFull(sql, most)} as full`
  const { next_run_at: _, ...columns } = withoutNulls(input)
  const row = {
    ...columns,
    params: sql.json(params as Parameters<Queryable['json']>[0]),
  }
  const firstRunAt = firstRun(input, before.now)
  await requireWithinLimits(sql, { ...input, schedule: scheduleFields(input) })
  // Checked before the insert, since a rejected insert would still use up an id.
  if (before.taken) throw taken()
  if (before.full) throw new AppError('invalid', `there are already ${most} tasks, the maximum (MAX_TASKS)`)
  const [task] = await sql<[TaskRow?]>`
    with t as (
      insert into tasks ${sql(row)}
      on conflict (name) do nothing
      returning *
    ),
    s as (
      insert into task_state (task_id, definition, next_run_at) select id, definition, ${firstRunAt} from t
      returning *
    )
    select ${taskColumns(sql, noHistory(sql))} from t join s on s.task_id = t.id`
  if (!task) throw taken()
  return toTask(task)
}

/**
 * Returns a condition that is true if there are `most` tasks or more. Counts them only if the range of their ids has
 * room for that many, since counting 100,000 tasks takes 30 ms or more.
 */
const isFull = (sql: Queryable, most: number | undefined): Fragment =>
  most === undefined
    ? sql`false`
    : sql`
      (select max(id) - min(id) + 1 from tasks) >= ${most}
      and (select count(*) from (select from tasks limit ${most}) counted) >= ${most}`

/** Returns when a new task is first due. `next_run_at` takes precedence over the schedule's first occurrence. */
function firstRun(input: TaskCreate, now: Date): Date {
  const schedule = readSchedule(scheduleFields(input))
  if (input.next_run_at) requireWithin(schedule, input.next_run_at, now)
  const first = input.next_run_at ?? firstOccurrence(schedule, now)
  return shift(first, jitterMs(input.name, input.jitter_seconds ?? 0))
}

type ScheduleInput = Pick<ScheduleFields, 'schedule_type'> & {
  [Name in keyof ScheduleValues]?: ScheduleValues[Name] | null | undefined
}

/** Returns the schedule's columns, with defaults filled in. */
export function scheduleFields(input: ScheduleInput): ScheduleFields & ScheduleValues {
  return {
    schedule_type: input.schedule_type,
    interval_seconds: input.interval_seconds ?? FIELDS.interval_seconds.default,
    interval_mode: input.interval_mode ?? FIELDS.interval_mode.default,
    cron_expression: input.cron_expression ?? FIELDS.cron_expression.default,
    timezone: input.timezone ?? FIELDS.timezone.default,
    start_at: input.start_at ?? FIELDS.start_at.default,
    end_at: input.end_at ?? FIELDS.end_at.default,
    jitter_seconds: input.jitter_seconds ?? FIELDS.jitter_seconds.default,
  }
}

/** Returns the input without nulls. Omitted columns get the table's defaults. */
export function withoutNulls(input: TaskCreate): TaskCreate {
  const given = Object.entries(input).filter(([, value]) => value !== null && value !== undefined)
  return Object.fromEntries(given) as TaskCreate
}
