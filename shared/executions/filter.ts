import * as z from 'zod'
import { allOf, type Fragment, type Queryable } from '../db.ts'
import { instantIn } from '../instant.ts'
import { digits, listOf } from '../parse.ts'
import { RUN_ERRORS, statusOf } from '../runners/error-code.ts'
import { matching, taskFilters } from '../tasks/list.ts'
import { EXECUTION_STATUSES, openStatus, TRIGGERS } from './execution.ts'

const milliseconds = digits(z.int().min(0)).optional()

/** Filters for the executions of any task. All given filters must match. */
export const executionFilters = {
  status: listOf(z.enum(EXECUTION_STATUSES))
    .optional()
    .describe('Only executions with one of these statuses, separated by commas.'),
  error_code: listOf(z.enum(RUN_ERRORS))
    .optional()
    .describe('Only executions that ended with one of these error codes, separated by commas.'),
  trigger: z.enum(TRIGGERS).optional().describe('Only executions that this created.'),
  scheduled_from: instantIn.optional().describe('Only occurrences at or after this time.'),
  scheduled_to: instantIn.optional().describe('Only occurrences before this time.'),
  started_from: instantIn.optional().describe('Only executions that started at or after this time.'),
  started_to: instantIn.optional().describe('Only executions that started before this time.'),
  finished_from: instantIn.optional().describe('Only executions that ended at or after this time.'),
  finished_to: instantIn.optional().describe('Only executions that ended before this time.'),
  min_late_ms: milliseconds.describe('Only executions that started at least this many milliseconds late.'),
  min_duration_ms: milliseconds.describe('Only executions that took at least this many milliseconds.'),
}

/** Filters for executions by their task. */
export const ofTasks = {
  task_id: digits(z.int().min(1)).optional().describe('Only executions of this task.'),
  task_name_prefix: taskFilters.name_prefix.describe('Only executions of tasks whose names start with this.'),
  tag: taskFilters.tag.describe('Only executions of tasks with this tag.'),
}

export type ExecutionFilters = GivenFilters & {
  /** The tasks that `tag` and `task_name_prefix` stand for, if there are few. */
  task_ids?: number[]
}

type GivenFilters = {
  [Key in keyof (typeof executionFilters & typeof ofTasks)]?: z.output<
    (typeof executionFilters & typeof ofTasks)[Key]
  >
}

/** Maximum number of tasks whose executions are looked up task by task. */
const FEW = 1000

/**
 * Returns the same filters in a form that indexes serve better: a few tasks by their ids, which tells the planner how
 * few rows to expect, and error codes along with their statuses.
 */
export async function narrow(sql: Queryable, filters: GivenFilters): Promise<ExecutionFilters> {
  const {
    task_name_prefix: name_prefix,
    tag,
    error_code,
    status = error_code?.map(statusOf),
    ...rest
  } = filters
  const narrowed = { ...rest, error_code, status: status && [...new Set(status)] }
  if (name_prefix === undefined && tag === undefined) return narrowed
  const tasks = await sql<{ id: number }[]>`
    select t.id from tasks t where ${matching(sql, { name_prefix, tag })} limit ${FEW + 1}`
  if (tasks.length > FEW) return { ...narrowed, task_name_prefix: name_prefix, tag }
  return { ...narrowed, task_ids: tasks.map(({ id }) => id) }
}

/** The statuses of executions that ended without a success. */
const FAILURES: (typeof EXECUTION_STATUSES)[number][] = ['failed', 'timeout', 'lost', 'cancelled']

/** Returns whether only failures can match, which have an index of their own. */
const onlyFailures = ({ status }: ExecutionFilters): boolean =>
  status?.every((it) => FAILURES.includes(it)) ?? false

/** Returns a condition that repeats the predicate of the index of failures. */
const isFailure = (sql: Queryable): Fragment => sql`e.status in ('failed', 'timeout', 'lost', 'cancelled')`

/** Returns whether failures of a limited time are wanted. */
export const isWindow = (filters: ExecutionFilters): boolean =>
  onlyFailures(filters) && filters.finished_from !== undefined && filters.finished_to !== undefined

/**
 * Returns a FROM item for the rows `e` of the ledger. For failures of a limited time, that is all of them (`offset 0`
 * prevents any other plan): the planner doesn't know that ids grow with time, and would read every newer row first.
 */
export function endedRows(sql: Queryable, filters: ExecutionFilters): Fragment {
  if (!isWindow(filters)) return sql`executions e`
  const { finished_from = null, finished_to = null } = filters
  return sql`(
    select * from executions e
    where ${isFailure(sql)} and e.finished_at >= ${finished_from} and e.finished_at < ${finished_to}
    offset 0
  ) e`
}

/** The expressions that filters compare. */
type Compared = Record<
  'task_id' | 'status' | 'error_code' | 'trigger' | 'scheduled_for' | 'due_at' | 'started_at' | 'finished_at',
  Fragment
>

/** Returns the filters as a condition, for a statement that aliases `executions` as `e`. */
export const matchingEnded = (sql: Queryable, filters: ExecutionFilters): Fragment =>
  allOf(sql, [
    // Repeats the predicates of the partial indexes; the planner can't infer them from parameters.
    filters.status !== undefined && !filters.status.includes('success') && sql`e.status <> 'success'`,
    onlyFailures(filters) && isFailure(sql),
    matches(sql, filters, {
      task_id: sql`e.task_id`,
      status: sql`e.status`,
      error_code: sql`e.error_code`,
      trigger: sql`e.trigger`,
      scheduled_for: sql`e.scheduled_for`,
      due_at: sql`e.due_at`,
      started_at: sql`e.started_at`,
      finished_at: sql`e.finished_at`,
    }),
  ])

/** Returns the filters as a condition on open executions, for a statement that aliases `task_state` as `s`. */
export const matchingOpen = (sql: Queryable, filters: ExecutionFilters): Fragment =>
  matches(sql, filters, {
    task_id: sql`s.task_id`,
    status: openStatus(sql),
    error_code: sql`null::text`,
    trigger: sql`s.trigger`,
    scheduled_for: sql`s.scheduled_for`,
    due_at: sql`s.due_at`,
    started_at: sql`case when s.status = 'running' and s.started_at <= now() then s.started_at end`,
    finished_at: sql`null::timestamptz`,
  })

function matches(sql: Queryable, filters: ExecutionFilters, it: Compared): Fragment {
  const { status, error_code, trigger, task_id, task_ids, task_name_prefix: name_prefix, tag } = filters
  return allOf(sql, [
    task_id !== undefined && sql`${it.task_id} = ${task_id}::bigint`,
    task_ids !== undefined && sql`${it.task_id} = any(${task_ids}::int[])`,
    (name_prefix !== undefined || tag !== undefined) &&
      sql`${it.task_id} in (select t.id from tasks t where ${matching(sql, { name_prefix, tag })})`,
    status !== undefined && isOneOf(sql, it.status, status),
    error_code !== undefined && isOneOf(sql, it.error_code, error_code),
    trigger !== undefined && sql`${it.trigger} = ${trigger}`,
    within(sql, it.scheduled_for, filters.scheduled_from, filters.scheduled_to),
    within(sql, it.started_at, filters.started_from, filters.started_to),
    within(sql, it.finished_at, filters.finished_from, filters.finished_to),
    atLeast(sql, sql`${it.started_at} - ${it.due_at}`, filters.min_late_ms),
    atLeast(sql, sql`${it.finished_at} - ${it.started_at}`, filters.min_duration_ms),
  ])
}

/** A single value is compared by `=`, so that an index that starts with the column keeps its order. */
const isOneOf = (sql: Queryable, column: Fragment, values: readonly string[]): Fragment =>
  values.length === 1 ? sql`${column} = ${values[0] ?? null}` : sql`${column} = any(${[...values]}::text[])`

const within = (sql: Queryable, column: Fragment, from: Date | undefined, to: Date | undefined): Fragment =>
  allOf(sql, [from !== undefined && sql`${column} >= ${from}`, to !== undefined && sql`${column} < ${to}`])

const atLeast = (sql: Queryable, interval: Fragment, ms: number | undefined): Fragment | false =>
  ms !== undefined && sql`${interval} >= ${ms}::float8 * interval '1 ms'`
