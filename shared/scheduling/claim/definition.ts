import { type Columns, cell, epochMs } from '../../columns.ts'
import { describeIssue } from '../../describe-issue.ts'
import { AppError } from '../../errors.ts'
import { runnerOf } from '../../runners/index.ts'
import type { Runner } from '../../runners/runner.ts'
import { fieldsAffecting, type RunValues } from '../../tasks/fields.ts'
import { jitterMs, readSchedule, type Schedule, type ScheduleFields } from '../schedule/schedule.ts'

type Instants = 'start_at' | 'end_at'

/** The columns of a task that a run needs. Times are in milliseconds since 1970. */
export type DefinitionRow = Omit<RunValues, Instants> &
  Record<Instants, number | null> &
  Pick<ScheduleFields, 'schedule_type'> & {
    id: number
    definition: number
    name: string
    type: string
    bytes: number
  }

/**
 * The SQL expression for each column of `DefinitionRow`. The cast is safe: every key is here, and is selected by its
 * own name unless another expression is given.
 */
export const DEFINITION_COLUMNS = {
  id: 'id',
  definition: 'definition',
  name: 'name',
  type: 'type',
  schedule_type: 'schedule_type',
  ...Object.fromEntries(fieldsAffecting('schedule', 'runs').map((name) => [name, name])),
  start_at: epochMs('start_at'),
  end_at: epochMs('end_at'),
  bytes: 'bytes',
} as Record<keyof DefinitionRow, string>

/** What a run needs to know about a task: its schedule, what it does, and its policies. */
export type Definition = Omit<DefinitionRow, keyof ScheduleFields | 'params'> & {
  /** The runner with its validated params, or the reason why the task can't run. */
  work: { runner: Runner; params: unknown } | { problem: string; unknownType?: string }
  /**
   * The schedule, or an error if it can't be read, for example because someone edited it in the database, or because
   * this version of Node.js doesn't know its time zone.
   */
  schedule: Schedule | AppError
  /** Milliseconds by which each of its occurrences is delayed. */
  jitter: number
  /**
   * What all of the task's runs depend on: the HTTP origin if there is one, else the task type. If one run hangs, other
   * runs with the same target may hang too.
   */
  target: string
  /** The approximate size of its params, in bytes. */
  bytes: number
}

/** Converts one row to a definition. */
export function toDefinition(rows: Columns<DefinitionRow>, index: number): Definition {
  const name = cell(rows.name, index)
  const type = cell(rows.type, index)
  const work = toWork(type, cell(rows.params, index))
  return {
    id: cell(rows.id, index),
    definition: cell(rows.definition, index),
    name,
    type,
    work,
    target: 'runner' in work ? (work.runner.target?.(work.params) ?? type) : type,
    bytes: cell(rows.bytes, index),
    timeout_seconds: cell(rows.timeout_seconds, index),
    max_runs: cell(rows.max_runs, index),
    overlap_policy: cell(rows.overlap_policy, index),
    misfire_policy: cell(rows.misfire_policy, index),
    misfire_grace_seconds: cell(rows.misfire_grace_seconds, index),
    max_attempts: cell(rows.max_attempts, index),
    retry_backoff_seconds: cell(rows.retry_backoff_seconds, index),
    retry_max_backoff_seconds: cell(rows.retry_max_backoff_seconds, index),
    pause_after_failures: cell(rows.pause_after_failures, index),
    schedule: scheduleOf(rows, index),
    jitter: jitterMs(name, cell(rows.jitter_seconds, index)),
  }
}

/** Validates the params when the definition is read: once for many runs, and usually before the task is due. */
function toWork(type: string, params: unknown): Definition['work'] {
  const runner = runnerOf(type)
  if (!runner) return { problem: `no runner for type ${type}`, unknownType: type }
  const checked = runner.params.safeParse(params, { error: describeIssue })
  if (checked.success) return { runner, params: checked.data }
  return { problem: `bad params: ${checked.error.issues.map((it) => it.message).join('; ')}` }
}

function scheduleOf(rows: Columns<DefinitionRow>, index: number): Schedule | AppError {
  const [start_at, end_at] = [cell(rows.start_at, index), cell(rows.end_at, index)]
  try {
    return readSchedule({
      schedule_type: cell(rows.schedule_type, index),
      interval_seconds: cell(rows.interval_seconds, index),
      interval_mode: cell(rows.interval_mode, index),
      cron_expression: cell(rows.cron_expression, index),
      timezone: cell(rows.timezone, index),
      start_at: start_at === null ? null : new Date(start_at),
      end_at: end_at === null ? null : new Date(end_at),
      jitter_seconds: cell(rows.jitter_seconds, index),
    })
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
}
