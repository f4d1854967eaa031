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

/** The guarantee of the cast: it has each key of `Row`, by its own name unless it says another expression. */
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

/** What a task is, as its row of `tasks` says: its schedule, what it runs, and its policies. */
export type Definition = Omit<Row, keyof ScheduleFields | 'type' | 'params'> & {
  /** What runs it, with its params checked; or why nothing can. */
  work: { runner: Runner; params: unknown } | { problem: string; unknownType?: string }
  /** An error when it can't be read: written by hand, or in a zone that this Node doesn't know. */
  schedule: Schedule | AppError
  /** Milliseconds that each of its instants is moved by. */
  jitter: number
  /** What its runs may all be held up by: an http origin, else the task type. */
  target: string
  /** The length of its params as text. */
  bytes: number
}

/** Definitions that a process remembers at least, at about a kilobyte each, and bytes of their params at most; larger ones are read each time. */
const REMEMBERED = 10_000
const REMEMBERED_BYTES = 16 * 2 ** 20
const REMEMBERED_SIZE = 64 * 2 ** 10

/** Params of no more bytes, which aren't compressed, are read for all of a claim's tasks together: these few thousand are some megabytes. */
const SMALL_BYTES = 2 ** 11

/** Bytes of larger params that one statement reads; the next one reads the rest. A single task has fewer. */
const READ_BYTES = 8 * 2 ** 20

/** Two generations: what was asked for while the newer one filled up lives on when the older one is dropped. */
let newer = new Map<number, Definition>()
let older = new Map<number, Definition>()
let newerBytes = 0

/** `left` are the ids of those that would have been too many bytes at once. */
export type Definitions = { found: Map<number, Definition>; left: Set<number> }

/**
 * The definitions of tasks, by task id. Each change of a task gives it a new `definition`, also in its state: who has locked that gets just the one
 * that holds, and most come out of memory. A task that is gone has none.
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

/** Nobody asks for it again, unless it is tried again. */
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

/** In the order of the ids, as many as READ_BYTES allows. Also returns how many of the ids it came to. */
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

/** Here, ahead of the instant, and once for all its runs. */
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
 * Returns whether this process can run a task that has been due for so many milliseconds: it has a runner for its type. What it hasn't is remembered, and
 * left to others.
 */
export function isRunnable(task: Definition, dueForMs: number): boolean {
  const { id: taskId, work, misfire_grace_seconds: graceSeconds } = task
  if (!('problem' in work) || work.unknownType === undefined) return true
  leaveToOthers({ taskId, type: work.unknownType, dueForMs, graceSeconds })
  return false
}
