import { type Columns, cell, columns, epochMs, mapRows } from '../../columns.ts'
import { type Queryable, textBytes } from '../../db.ts'
import { AppError } from '../../errors.ts'
import { runnerOf } from '../../runners/index.ts'
import type { Runner } from '../../runners/runner.ts'
import { fieldsAffecting, type RunValues } from '../../tasks/fields.ts'
import { jitterMs, readSchedule, type Schedule, type ScheduleFields } from '../schedule/schedule.ts'
import { leaveToOthers } from './unknown-types.ts'

type Instants = 'start_at' | 'end_at'

/** What a run needs of a task. Instants are milliseconds since 1970. */
type Row = Omit<RunValues, Instants> &
  Record<Instants, number | null> &
  Pick<ScheduleFields, 'schedule_type'> & {
    id: number
    definition: number
    name: string
    type: string
    bytes: number
  }

/** The cast: it has every key of `Row`, selected by its own name unless it says something else. */
const COLUMNS = {
  id: 'id',
  definition: 'definition',
  name: 'name',
  type: 'type',
  schedule_type: 'schedule_type',
  ...Object.fromEntries(fieldsAffecting('schedule', 'runs').map((name) => [name, name])),
  start_at: epochMs('start_at'),
  end_at: epochMs('end_at'),
  bytes: 'bytes',
} as Record<keyof Row, string>

/** What a run needs to know of a task: its schedule, what it does, and its policies. */
export type Definition = Omit<Row, keyof ScheduleFields | 'type' | 'params'> & {
  /** What runs it, with its checked params, or why nothing can. */
  work: { runner: Runner; params: unknown } | { problem: string; unknownType?: string }
  /** An error if it can't be read: it was written by hand, or this Node doesn't know its zone. */
  schedule: Schedule | AppError
  /** By how many milliseconds each of its instants is delayed. */
  jitter: number
  /** What its runs share and may all be held up by: an HTTP origin, or else the task type. */
  target: string
  /** How many bytes its params have as text. */
  bytes: number
}

/**
 * How many definitions a process remembers at least, at about a kilobyte each, and how many bytes of their params at
 * most. Larger ones are read each time.
 */
const REMEMBERED = 10_000
const REMEMBERED_BYTES = 16 * 2 ** 20
const REMEMBERED_SIZE = 64 * 2 ** 10

/** Params up to this size that aren't compressed are read for all tasks of a claim at once: a few megabytes. */
const SMALL_BYTES = 2 ** 11

/** How many bytes of larger params one statement reads. The next claim reads the rest. A single task has fewer. */
const READ_BYTES = 8 * 2 ** 20

/** Two generations. What was used while the newer one filled up survives when the older one is dropped. */
let newer = new Map<number, Definition>()
let older = new Map<number, Definition>()
let newerBytes = 0

/** `left`: ids of tasks whose params would have been too many bytes at once. */
export type Definitions = { found: Map<number, Definition>; left: Set<number> }

/**
 * Returns the definitions of tasks, by task id; none for tasks that are gone. Each change that a run needs gives a task
 * a new `definition` number, in its state too. So whoever has locked the state gets exactly the version that holds,
 * usually from memory.
 */
export async function readDefinitions(
  tx: Queryable,
  wanted: { task_id: number; definition: number }[],
): Promise<Definitions> {
  const found = new Map<number, Definition>()
  const missing: number[] = []
  for (const { task_id, definition } of wanted) {
    const known = newer.get(task_id) ?? older.get(task_id)
    if (known?.definition === definition) found.set(task_id, remember(known))
    else missing.push(task_id)
  }
  if (missing.length === 0) return { found, left: new Set() }
  const small = await loadSmall(tx, missing)
  keep(found, small)
  if (small.length === missing.length) return { found, left: new Set() }
  const large = missing.filter((id) => !found.has(id))
  const { definitions, seen } = await loadLarge(tx, large)
  keep(found, definitions)
  return { found, left: new Set(large.slice(seen)) }
}

function keep(found: Map<number, Definition>, definitions: Definition[]): void {
  for (const definition of definitions) {
    found.set(definition.id, isOnce(definition) ? definition : remember(definition))
  }
}

/** Nobody needs it again, unless it is retried. */
const isOnce = ({ schedule }: Definition): boolean =>
  !(schedule instanceof AppError) && schedule.kind === 'once'

async function loadSmall(tx: Queryable, ids: number[]): Promise<Definition[]> {
  const [found] = await tx<[Columns<Row>]>`
    select ${columns<Row>(tx, { ...COLUMNS, bytes: 'pg_column_size(params)' })}
    from tasks
    where id = any(${ids}::int[])
      and pg_column_size(params) <= ${SMALL_BYTES} and pg_column_compression(params) is null`
  return mapRows(found, (index) => toDefinition(found, index))
}

/** Loads as many as READ_BYTES allows, in the order of the ids. Also returns how many ids it got through. */
async function loadLarge(tx: Queryable, ids: number[]): Promise<{ definitions: Definition[]; seen: number }> {
  const [{ seen, ...found }] = await tx<[Columns<Row> & { seen: number | null }]>`
    select ${columns<Row>(tx, COLUMNS)}, max(place)::int as seen
    from (
      select *, sum(bytes) over (order by place) as sum
      from (
        select t.*, w.place, ${textBytes(tx, tx`t.params`)} as bytes
        from unnest(${ids}::int[]) with ordinality as w (id, place)
        join tasks t on t.id = w.id
      ) sized
    ) summed
    where sum <= ${READ_BYTES} or sum = bytes`
  const definitions = mapRows(found, (index) => toDefinition(found, index))
  const isWhole = definitions.length === ids.length || seen === null
  return { definitions, seen: isWhole ? ids.length : seen }
}

function remember(definition: Definition): Definition {
  if (definition.bytes > REMEMBERED_SIZE || newer.get(definition.id) === definition) return definition
  if (newer.size >= REMEMBERED || newerBytes >= REMEMBERED_BYTES) {
    ;[newer, older] = [new Map(), newer]
    newerBytes = 0
  }
  newerBytes += definition.bytes
  newer.set(definition.id, definition)
  return definition
}

function toDefinition(rows: Columns<Row>, index: number): Definition {
  const name = cell(rows.name, index)
  const type = cell(rows.type, index)
  const work = toWork(type, cell(rows.params, index))
  return {
    id: cell(rows.id, index),
    definition: cell(rows.definition, index),
    name,
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

/** Validates the params before the task is due, and once for all runs. */
function toWork(type: string, params: unknown): Definition['work'] {
  const runner = runnerOf(type)
  if (!runner) return { problem: `no runner for type ${type}`, unknownType: type }
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

/**
 * Returns whether this process has a runner for the task's type. If not, the task is left to other processes.
 * `dueForMs`: how long it has been due.
 */
export function isRunnable(task: Definition, dueForMs: number): boolean {
  const { id: taskId, work, misfire_grace_seconds: graceSeconds } = task
  if (!('problem' in work) || work.unknownType === undefined) return true
  leaveToOthers({ taskId, type: work.unknownType, dueForMs, graceSeconds })
  return false
}
