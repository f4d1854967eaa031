import type { Queryable } from '../db.ts'
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
import { checkParams, type TaskCreate } from './input.ts'
import { type Task, type TaskRow, taskColumns, toTask } from './task.ts'

/**
 * Creates a task. Throws `invalid` for an invalid schedule or invalid params, and `conflict` if the name is already
 * taken.
 */
export async function createTask(sql: Queryable, input: TaskCreate): Promise<Task> {
  const params = input.params ?? {}
  checkParams(input.type, params)
  const taken = () => new AppError('conflict', `a task named ${JSON.stringify(input.name)} already exists`)
  const [before] = await sql<[{ now: Date; taken: boolean }]>`
    select now(), exists (select from tasks where name = ${input.name}) as taken`
  const { next_run_at: _, ...columns } = withoutNulls(input)
  const row = {
    ...columns,
    params: sql.json(params as Parameters<Queryable['json']>[0]),
  }
  const firstRunAt = firstRun(input, before.now)
  // Checked before the insert, since a rejected insert would still use up an id.
  if (before.taken) throw taken()
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
    select ${taskColumns(sql)} from t join s on s.task_id = t.id`
  if (!task) throw taken()
  return toTask(task)
}

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
