import * as z from 'zod'
import { cell, epochMs } from '../columns.ts'
import { type Queryable, reusable } from '../db.ts'
import { durationMs, executionOut } from '../executions/execution.ts'
import { instantOut } from '../instant.ts'

/** How many of a task's last outcomes are shown. */
const RECENT = 20

const { id, status, scheduled_for, started_at, finished_at, duration_ms, detail, error_code } =
  executionOut.shape

/** How a task has been doing, in the form that the API returns. */
export const historyOut = {
  last_run_at: instantOut
    .nullable()
    .describe('When its last run began: the first attempt, if there were several.'),
  last_execution: z
    .object({ id, status, scheduled_for, started_at, finished_at, duration_ms, detail, error_code })
    .nullable()
    .describe('The latest execution that has ended, by its occurrence. Skipped occurrences do not count.'),
  recent: z
    .array(z.object({ id, status, finished_at, duration_ms }))
    .describe(`How its last ${RECENT} executions ended, oldest first. Includes skipped occurrences.`),
}

type LastInstants = 'scheduled_for' | 'started_at' | 'finished_at'
type Times<Time> = { scheduled_for: Time; started_at: Time | null; finished_at: Time }
type LastOut = NonNullable<z.output<typeof historyOut.last_execution>>
type RecentOut = z.output<typeof historyOut.recent>[number]

/** The columns that `historyColumns` selects. Times are in milliseconds since 1970. */
export type HistoryRow = {
  last_run_at: Date | null
  last_execution: (Omit<LastOut, LastInstants> & Times<number>) | null
  /**
   * Ids, statuses, when they ended, and how long they ran, newest first. Building an array for each row took longer.
   */
  recent: [number[] | null, RecentOut['status'][], number[], (number | null)[]] | null
}

export type History = {
  last_run_at: Date | null
  last_execution: (Omit<LastOut, LastInstants> & Times<Date>) | null
  recent: (Omit<RecentOut, 'finished_at'> & { finished_at: Date })[]
}

/**
 * Returns the columns of a `HistoryRow`, for a statement that aliases `tasks` as `t` and `task_state` as `s`. The
 * server reads the ledger only for the rows that the statement returns.
 */
export const historyColumns = reusable(
  (sql) => sql`
  s.busy_from as last_run_at,
  (
    select json_build_object(
      'id', e.id, 'status', e.status, 'scheduled_for', ${ms(sql, 'e.scheduled_for')},
      'started_at', ${ms(sql, 'e.started_at')}, 'finished_at', ${ms(sql, 'e.finished_at')},
      'duration_ms', ${durationMs(sql)}, 'detail', e.detail, 'error_code', e.error_code
    )
    from executions e
    where e.task_id = t.id and e.status <> 'skipped'
    order by e.scheduled_for desc, e.attempt desc
    limit 1
  ) as last_execution,
  (
    select json_build_array(json_agg(r.id), json_agg(r.status), json_agg(r.ended), json_agg(r.duration_ms))
    from (
      select e.id, e.status, ${ms(sql, 'e.finished_at')} as ended, ${durationMs(sql)} as duration_ms
      from executions e
      where e.task_id = t.id
      order by e.scheduled_for desc, e.attempt desc
      limit ${sql.unsafe(String(RECENT))}
    ) r
  ) as recent`,
)

/** The history of a task that was just created. */
export const noHistory = reusable(
  (sql) => sql`null::timestamptz as last_run_at, null::json as last_execution, null::json as recent`,
)

const ms = (sql: Queryable, column: string) => sql.unsafe(epochMs(column))

/** Converts a row to the form that the API returns. */
export function toHistory({ last_run_at, last_execution: last, recent }: HistoryRow): History {
  return {
    last_run_at,
    last_execution: last && {
      ...last,
      scheduled_for: new Date(last.scheduled_for),
      started_at: last.started_at === null ? null : new Date(last.started_at),
      finished_at: new Date(last.finished_at),
    },
    recent: toRecent(recent),
  }
}

function toRecent(recent: HistoryRow['recent']): History['recent'] {
  const [ids, statuses, ended, durations] = recent ?? [null, [], [], []]
  const outcomes = (ids ?? []).map((id, index) => ({
    id,
    status: cell(statuses, index),
    finished_at: new Date(cell(ended, index)),
    duration_ms: cell(durations, index),
  }))
  return outcomes.reverse()
}
