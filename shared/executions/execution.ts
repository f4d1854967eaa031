import * as z from 'zod'
import type { Fragment, Queryable } from '../db.ts'
import { instantOut } from '../instant.ts'
import { digits } from '../parse.ts'
import { RUN_ERRORS } from '../runners/error-code.ts'
import { SKIP_REASONS } from '../scheduling/schedule/plan.ts'
import { LATE_REASONS } from '../scheduling/state/late-reason.ts'

export const EXECUTION_STATUSES = [
  'queued',
  'running',
  'success',
  'failed',
  'timeout',
  'lost',
  'cancelled',
  'skipped',
] as const

export const TRIGGERS = ['schedule', 'manual', 'rerun'] as const

export const executionPath = z.strictObject({ id: digits(z.int().min(1)) })

/** An execution in the form that the API returns. */
export const executionOut = z
  .object({
    id: z.int(),
    task_id: z.int(),
    task_name: z.string().describe('Name of its task.'),
    status: z.enum(EXECUTION_STATUSES),
    scheduled_for: instantOut.describe(
      'The occurrence. If the row stands for several occurrences, the first of them.',
    ),
    due_at: instantOut.describe('Earliest start: the occurrence plus its jitter, or the end of the backoff.'),
    attempt: z.int().describe('Number of this attempt at the occurrence, starting at 1.'),
    trigger: z.enum(TRIGGERS).describe('What created it: the schedule, a manual run, or a rerun.'),
    rerun_of: z.int().nullable().describe('Id of the execution that a rerun repeats.'),
    started_at: instantOut.nullable().describe('When it started. Null if it has not started.'),
    cancel_requested_at: instantOut.nullable().describe('When its cancellation was requested.'),
    finished_at: instantOut.nullable().describe('When it ended. Null while it is open.'),
    duration_ms: z
      .int()
      .nullable()
      .describe('Milliseconds from its start to its end. Null while it is open, and if it never started.'),
    detail: z.string().nullable().describe('Why it did not succeed.'),
    error_code: z
      .enum(RUN_ERRORS)
      .nullable()
      .describe(
        'Why it did not succeed, in machine-readable form. Null for a success, for skipped occurrences, and for rows that older versions wrote.',
      ),
    result: z
      .record(z.string(), z.unknown())
      .nullable()
      .describe('What the run returned. The fields depend on the task type.'),
    late_ms: z
      .int()
      .nullable()
      .describe('Milliseconds from `due_at` to the start, if that was a second or more.'),
    late_reason: z
      .enum(LATE_REASONS)
      .nullable()
      .describe('What it waited for, if its worker knows. Set once the execution has ended.'),
    skip_reason: z
      .enum(SKIP_REASONS)
      .nullable()
      .describe('Why the occurrences did not run, if they were skipped.'),
    skipped_until: instantOut.nullable().describe('The last skipped occurrence.'),
    skipped_count: z.int().nullable().describe('Number of skipped occurrences.'),
  })
  .meta({ id: 'Execution' })

type Instants =
  | 'scheduled_for'
  | 'due_at'
  | 'started_at'
  | 'cancel_requested_at'
  | 'finished_at'
  | 'skipped_until'

export type Execution = Omit<z.output<typeof executionOut>, Instants> & {
  scheduled_for: Date
  due_at: Date
  started_at: Date | null
  cancel_requested_at: Date | null
  finished_at: Date | null
  skipped_until: Date | null
}

/** Looked up for each row that a statement returns, so it doesn't take part in how the rows are found. */
const taskName = (sql: Queryable, taskId: Fragment) => sql`
  (select n.name from tasks n where n.id = ${taskId}) as task_name`

/** How long a row `e` of the ledger ran, in milliseconds. */
export const durationMs = (sql: Queryable) => sql`
  round(date_part('epoch', e.finished_at - e.started_at) * 1000)::bigint`

/** The columns of an `Execution`, for a statement that aliases `executions` as `e`. */
export const executionColumns = (sql: Queryable) => sql`
  e.id, e.task_id, ${taskName(sql, sql`e.task_id`)}, e.status, e.scheduled_for, e.due_at, e.attempt, e.trigger, e.rerun_of, e.started_at,
  e.cancel_requested_at, e.finished_at, ${durationMs(sql)} as duration_ms, e.detail, e.error_code, e.result,
  case when e.started_at >= e.due_at + interval '1 s' then (extract(epoch from e.started_at - e.due_at) * 1000)::bigint end as late_ms,
  (${[...LATE_REASONS]}::text[])[e.late_reason] as late_reason, e.skip_reason, e.skipped_until, e.skipped_count`

/**
 * The status of an open execution, for a statement that aliases `task_state` as `s`. If `started_at` was written ahead
 * of time, the execution counts as queued until that time.
 */
export const openStatus = (sql: Queryable) => sql`
  case when s.status = 'running' and s.started_at > now() then 'queued' else s.status end`

/** The columns of an `Execution` that is open, for a statement that aliases `task_state` as `s`. */
export const openColumns = (sql: Queryable) => sql`
  s.execution_id as id, s.task_id, ${taskName(sql, sql`s.task_id`)},
  ${openStatus(sql)} as status, s.scheduled_for,
  s.due_at, s.attempt, s.trigger, s.rerun_of,
  case when s.status = 'running' and s.started_at <= now() then s.started_at end as started_at,
  s.cancel_requested_at, null::timestamptz as finished_at, null::bigint as duration_ms, null::text as detail,
  null::text as error_code, null::jsonb as result,
  null::bigint as late_ms, null::text as late_reason,
  null::text as skip_reason, null::timestamptz as skipped_until, null::bigint as skipped_count`
