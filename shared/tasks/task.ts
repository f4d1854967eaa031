import * as z from 'zod'
import { type Fragment, type Queryable, textBytes } from '../db.ts'
import { instantOut } from '../instant.ts'
import { type Page, readPage } from '../page.ts'
import { digits } from '../parse.ts'
import { TASK_TYPES } from '../runners/index.ts'
import { MISFIRE_POLICIES, OVERLAP_POLICIES } from '../scheduling/schedule/plan.ts'
import {
  INTERVAL_MODES,
  jitterMs,
  nextAfter,
  SCHEDULE_TYPES,
  shift,
  tryReadSchedule,
} from '../scheduling/schedule/schedule.ts'

export const taskPath = z.strictObject({ id: digits(z.int().min(1)) })

/** A task as the API shows it. */
export const taskOut = z
  .object({
    id: z.int(),
    name: z.string(),
    type: z.enum(TASK_TYPES),
    schedule_type: z.enum(SCHEDULE_TYPES),
    interval_seconds: z.int().nullable(),
    interval_mode: z.enum(INTERVAL_MODES),
    cron_expression: z.string().nullable(),
    timezone: z.string(),
    start_at: instantOut.nullable(),
    end_at: instantOut.nullable(),
    jitter_seconds: z.int(),
    next_run_at: instantOut.nullable().describe('When the next occurrence is due, its jitter included'),
    next_runs: z.array(instantOut).describe('The next three, as far as they can be known'),
    params: z.record(z.string(), z.unknown()),
    timeout_seconds: z.number().nullable(),
    running: z.boolean().describe('An execution of it is running now'),
    overlap_policy: z.enum(OVERLAP_POLICIES),
    misfire_policy: z.enum(MISFIRE_POLICIES),
    misfire_grace_seconds: z.int(),
    max_attempts: z.int(),
    retry_backoff_seconds: z.number(),
    retry_max_backoff_seconds: z.number(),
    crash_limit: z.int(),
    pause_after_failures: z.int().nullable(),
    consecutive_failures: z.int(),
    max_runs: z.int().nullable(),
    runs: z.int().describe('Occurrences that ran, or run'),
    tags: z.array(z.string()),
    paused_at: instantOut.nullable(),
    paused_until: instantOut.nullable(),
    pause_reason: z.string().nullable(),
    version: z.int(),
    created_at: instantOut,
    updated_at: instantOut,
  })
  .meta({ id: 'Task' })

type Instants = 'next_run_at' | 'start_at' | 'end_at' | 'paused_at' | 'paused_until'

/** A row of `tasks`: its instants are Dates, which leave as ISO 8601 with `Z`. */
export type TaskRow = Omit<z.output<typeof taskOut>, Instants | 'next_runs' | 'created_at' | 'updated_at'> &
  Record<Instants, Date | null> & { created_at: Date; updated_at: Date }

export type Task = TaskRow & { next_runs: Date[] }

/** The columns of a `TaskRow`, for a statement whose `tasks` is named `t`, and `task_state` `s`. */
export const taskColumns = (sql: Queryable) => sql`
  t.id, t.name, t.type, t.schedule_type, t.interval_seconds, t.interval_mode, t.cron_expression, t.timezone, t.start_at,
  t.end_at, t.jitter_seconds, s.next_run_at, t.params, t.timeout_seconds,
  coalesce(s.status = 'running' and s.started_at <= now(), false) as running,
  t.overlap_policy, t.misfire_policy, t.misfire_grace_seconds, t.max_attempts, t.retry_backoff_seconds,
  t.retry_max_backoff_seconds, t.crash_limit, t.pause_after_failures, s.consecutive_failures, t.max_runs, s.runs,
  to_jsonb(t.tags) as tags, s.paused_at, s.paused_until, s.pause_reason, t.version, t.created_at, t.updated_at`

const NEXT_RUNS = 3

/** Returns a page of tasks: the one that `select` stands for, with the `taskColumns`. */
export async function readTasks(sql: Queryable, select: Fragment, limit: number): Promise<Page<Task>> {
  return await readPage(sql, { select, bytes: textBytes(sql, sql`params`), limit }, toTask)
}

/** The row as a task: with the instants that follow its cursor. */
export function toTask(row: TaskRow): Task {
  return { ...row, next_runs: nextRuns(row) }
}

/** None while it is paused, and of a fixed delay only the first: when that run will end isn't known. */
function nextRuns(row: TaskRow): Date[] {
  if (row.paused_at !== null || row.next_run_at === null) return []
  const left = row.max_runs === null ? NEXT_RUNS : row.max_runs - row.runs
  const limit = Math.min(row.interval_mode === 'fixed_delay' ? 1 : NEXT_RUNS, left)
  const jitter = jitterMs(row.name, row.jitter_seconds)
  const schedule = tryReadSchedule(row)
  if (schedule === null) return [row.next_run_at]
  const runs: Date[] = []
  let at: Date | null = shift(row.next_run_at, -jitter)
  while (at !== null && runs.length < limit) {
    runs.push(shift(at, jitter))
    at = nextAfter(schedule, at, at)
  }
  return runs
}
