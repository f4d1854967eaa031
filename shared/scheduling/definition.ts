import { type Columns, cell, columns, epochMs, mapRows } from '../columns.ts'
import type { Queryable } from '../db.ts'
import { AppError } from '../errors.ts'
import { runnerOf } from '../runners/index.ts'
import type { Runner } from '../runners/runner.ts'
import type { Policies } from './plan.ts'
import { jitterMs, readSchedule, type Schedule, type ScheduleFields } from './schedule.ts'

type Row = Omit<ScheduleFields, 'start_at' | 'end_at'> &
  Policies & {
    id: number
    definition: number
    name: string
    type: string
    params: Record<string, unknown>
    /** Seconds; null takes the default. */
    timeout_seconds: number | null
    /** Milliseconds since 1970, as `end_at`. */
    start_at: number | null
    end_at: number | null
    max_runs: number | null
    max_attempts: number
    retry_backoff_seconds: number
    retry_max_backoff_seconds: number
    pause_after_failures: number | null
  }

const COLUMNS = {
  id: 'id',
  definition: 'definition',
  name: 'name',
  type: 'type',
  params: 'params',
  timeout_seconds: 'timeout_seconds',
  schedule_type: 'schedule_type',
  interval_seconds: 'interval_seconds',
  interval_mode: 'interval_mode',
  cron_expression: 'cron_expression',
  timezone: 'timezone',
  start_at: epochMs('start_at'),
  end_at: epochMs('end_at'),
  jitter_seconds: 'jitter_seconds',
  max_runs: 'max_runs',
  overlap_policy: 'overlap_policy',
  misfire_policy: 'misfire_policy',
  misfire_grace_seconds: 'misfire_grace_seconds',
  max_attempts: 'max_attempts',
  retry_backoff_seconds: 'retry_backoff_seconds',
  retry_max_backoff_seconds: 'retry_max_backoff_seconds',
  pause_after_failures: 'pause_after_failures',
}

/** What a task is, as its row of `tasks` says: its schedule, what it runs, and its policies. */
export type Definition = Omit<Row, keyof ScheduleFields | 'type' | 'params'> & {
  /** What runs it, with its params checked; or why nothing can. */
  work: { runner: Runner; params: unknown } | { problem: string }
  /** An error when it can't be read: written by hand, or in a zone that this Node doesn't know. */
  schedule: Schedule | AppError
  /** Milliseconds that each of its instants is moved by. */
  jitter: number
}

/** Definitions that a process remembers at least, at about a kilobyte each. */
const REMEMBERED = 10_000

/** Two generations: what was asked for while the newer one filled up lives on when the older one is dropped. */
let newer = new Map<number, Definition>()
let older = new Map<number, Definition>()

/**
 * The definitions of tasks, by task id. Each change of a task gives it a new `definition`, also in its state: who has locked that gets just the one
 * that holds, and most come out of memory. A task that is gone has none.
 */
export async function readDefinitions(
  tx: Queryable,
  wanted: { task_id: number; definition: number }[],
): Promise<Map<number, Definition>> {
  const found = new Map<number, Definition>()
  const missing: number[] = []
  for (const { task_id, definition } of wanted) {
    const known = newer.get(task_id) ?? older.get(task_id)
    if (known?.definition === definition) found.set(task_id, remember(known))
    else missing.push(task_id)
  }
  if (missing.length > 0)
    for (const definition of await load(tx, missing)) {
      found.set(definition.id, isOnce(definition) ? definition : remember(definition))
    }
  return found
}

/** Nobody asks for it again, unless it is tried again. */
const isOnce = ({ schedule }: Definition): boolean =>
  !(schedule instanceof AppError) && schedule.kind === 'once'

async function load(tx: Queryable, ids: number[]): Promise<Definition[]> {
  const [found] = await tx<[Columns<Row>]>`
    select ${columns<Row>(tx, COLUMNS)} from tasks where id = any(${ids}::int[])`
  return mapRows(found, (index) => toDefinition(found, index))
}

function remember(definition: Definition): Definition {
  if (newer.size >= REMEMBERED) [newer, older] = [new Map(), newer]
  newer.set(definition.id, definition)
  return definition
}

function toDefinition(rows: Columns<Row>, index: number): Definition {
  const name = cell(rows.name, index)
  return {
    id: cell(rows.id, index),
    definition: cell(rows.definition, index),
    name,
    work: toWork(cell(rows.type, index), cell(rows.params, index)),
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

/** Here, ahead of the instant, and once for all its runs. */
function toWork(type: string, params: unknown): Definition['work'] {
  const runner = runnerOf(type)
  if (!runner) return { problem: `no runner for type ${type}` }
  const checked = runner.params.safeParse(params)
  if (checked.success) return { runner, params: checked.data }
  return { problem: `bad params: ${checked.error.issues.map((it) => it.message).join('; ')}` }
}

function scheduleOf(rows: Columns<Row>, index: number): Schedule | AppError {
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
