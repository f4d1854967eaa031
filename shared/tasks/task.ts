import * as z from 'zod'
import { type Fragment, jsonBytes, type Queryable, textBytes } from '../db.ts'
import { instantOut } from '../instant.ts'
import { type Page, readPage } from '../page.ts'
import { digits } from '../parse.ts'
import { TASK_TYPES } from '../runners/index.ts'
import {
  jitterMs,
  nextAfter,
  SCHEDULE_TYPES,
  shift,
  tryReadSchedule,
} from '../scheduling/schedule/schedule.ts'
import { FIELD_COLUMNS, FIELDS_OUT, type FieldName, type FieldValues } from './fields.ts'
import { type History, type HistoryRow, historyColumns, historyOut, toHistory } from './history.ts'
import { stateColumn, TASK_STATES } from './state.ts'

export const taskPath = z.strictObject({ id: digits(z.int().min(1)) })

/** A task in the form that the API returns. */
export const taskOut = z
  .object({
    id: z.int(),
    name: z.string(),
    type: z.enum(TASK_TYPES),
    schedule_type: z.enum(SCHEDULE_TYPES),
    ...FIELDS_OUT,
    next_run_at: instantOut
      .nullable()
      .describe('When the next occurrence is due, including its jitter. Null if there is none.'),
    next_runs: z
      .array(instantOut)
      .describe('The next three runs, as far as they are known. Empty while the task is paused.'),
    state: z
      .enum(TASK_STATES)
      .describe(
        'The first of these that the task is in. A filter by state also finds tasks that show another one.',
      ),
    running: z.boolean().describe('Whether an execution is running now.'),
    runs: z.int().describe('Number of occurrences that have run or are running.'),
    consecutive_failures: z
      .int()
      .describe('Number of occurrences that have failed since the last success or resume.'),
    paused_at: instantOut.nullable().describe('When the task was paused. Null if it is not paused.'),
    paused_until: instantOut.nullable().describe('When the pause ends automatically.'),
    pause_reason: z.string().nullable().describe('Why the task is paused.'),
    ...historyOut,
    version: z.int().describe('Increases with every change. The `ETag` header has the same value.'),
    created_at: instantOut,
    updated_at: instantOut,
  })
  .meta({ id: 'Task' })

/** What the API adds to the fields that users set. Timestamps are Dates, which become ISO 8601 with `Z` in JSON. */
type Rest = Omit<
  z.output<typeof taskOut>,
  FieldName | Instants | keyof History | 'next_runs' | 'created_at' | 'updated_at'
> &
  Record<Instants, Date | null> & { created_at: Date; updated_at: Date }
type Instants = 'next_run_at' | 'paused_at' | 'paused_until'

/** A row of `tasks` joined with its row of `task_state`, as selected by `taskColumns`. */
export type TaskRow = FieldValues & Rest & HistoryRow

export type Task = Omit<TaskRow, keyof History> & History & { next_runs: Date[] }

/** The columns of a `TaskRow`, for a statement that aliases `tasks` as `t` and `task_state` as `s`. */
export const taskColumns = (sql: Queryable, history = historyColumns(sql)) => sql`
  t.id, t.name, t.type, t.schedule_type, ${sql.unsafe(FIELD_COLUMNS)}, s.next_run_at, ${stateColumn(sql)},
  coalesce(s.status = 'running' and s.started_at <= now(), false) as running, s.runs, s.consecutive_failures, s.paused_at,
  s.paused_until, s.pause_reason, ${history}, t.version, t.created_at, t.updated_at`

const NEXT_RUNS = 3

/** Returns a page of the tasks that `select` yields. It must select `taskColumns`. */
export async function readTasks(sql: Queryable, select: Fragment, limit: number): Promise<Page<Task>> {
  const bytes = sql`
    ${textBytes(sql, sql`params`)} + ${textBytes(sql, sql`tags`)}
    + coalesce(octet_length(last_execution::text), 0)
    + coalesce(${jsonBytes(sql, sql`description`)}, 0) + coalesce(${jsonBytes(sql, sql`pause_reason`)}, 0)`
  return await readPage(sql, { select, bytes, limit }, toTask)
}

/** Converts a row to the form that the API returns, with its next runs. */
export function toTask(row: TaskRow): Task {
  return { ...row, ...toHistory(row), next_runs: nextRuns(row) }
}

/**
 * Returns the next runs. There are none while the task is paused. With a fixed delay, only the first is known, since
 * the second depends on when the first run ends.
 */
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
