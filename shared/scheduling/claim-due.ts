import { randomUUID } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { type Columns, cell, columns, epochMs, mapRows } from '../columns.ts'
import { type Database, isUnreachable, type Queryable } from '../db.ts'
import { AppError } from '../errors.ts'
import { logger } from '../logger.ts'
import { advance, handledAlready, type TaskPlan } from './advance.ts'
import { type ClaimOptions, horizon, type Taken, toClaims } from './claim.ts'
import type { Claimed } from './claimed.ts'
import { type Definition, readDefinitions } from './definition.ts'
import { type DueTask, type Plan, plan } from './plan.ts'
import { describe } from './record.ts'
import { type Schedule, shift } from './schedule.ts'
import { pausedItself, touch } from './state/pause-itself.ts'
import { rememberUnreceived } from './unreceived.ts'

/** The state of a due task; instants in milliseconds since 1970. */
type DueRow = {
  task_id: number
  definition: number
  next_run_at: number
  runs: number
  busy_from: number | null
  busy_until: number | null
  /** The last occurrence that was opened. */
  last: number | null
}

/** Long backlogs of cron schedules take time to count: what is not planned by then is left, unlocked, to the next claim. */
const PLANNING_MS = 500

/** Others get a turn in between. */
const PLANNING_TURN_MS = 20

/** Of a task among those that are due: when, and which. */
export type Position = { next_run_at: number; task_id: number }

/** What a claim has locked: how many, and where the last of them stands. */
export type Locked = { count: number; last: Position | undefined }

/**
 * Claims due tasks, soonest first, in one transaction: lock their states; compute their next instants here; then advance the cursors and
 * open the executions. A change of a task waits for the lock. `locked` comes first; then the next claim may look `after` those. There
 * is `more` when some of them are left, for which there was no time.
 */
export function claimDue(
  sql: Database,
  options: ClaimOptions & { after?: Position },
): { locked: Promise<Locked>; taken: Promise<Taken> } {
  const since = performance.now()
  const { promise: locked, resolve, reject } = Promise.withResolvers<Locked>()
  const claimIds: string[] = []
  const taken = sql.begin(async (tx) => {
    const rows = await lockDue(tx, options)
    resolve({ count: rows.length, last: rows.at(-1) })
    const { planned, unreadable, seen } = await planAll(tx, rows, options.clock.now)
    for (const [taskId, error] of unreadable) await pauseUnreadable(tx, taskId, error)
    const executions = await open(tx, planned, options, claimIds)
    return { claims: toClaims(executions, options.clock, since), more: seen < rows.length }
  })
  taken.catch((error: unknown) => {
    // Its transaction may be committed all the same.
    if (isUnreachable(error)) rememberUnreceived(claimIds, since)
    reject(error)
  })
  // Not everyone waits for it.
  locked.catch(() => {})
  return { locked, taken }
}

type Plans = { planned: Planned[]; unreadable: Map<number, Error>; seen: number }

async function planAll(tx: Queryable, rows: DueRow[], now: Date): Promise<Plans> {
  const definitions = await readDefinitions(tx, rows)
  const plans: Plans = { planned: [], unreadable: new Map(), seen: 0 }
  const since = performance.now()
  let turn = since
  for (const row of rows) {
    if (performance.now() - since > PLANNING_MS) break
    if (performance.now() - turn > PLANNING_TURN_MS) {
      await setImmediate()
      turn = performance.now()
    }
    plans.seen += 1
    const task = definitions.get(row.task_id)
    const outcome = task && tryPlan(row, task, now)
    if (outcome instanceof Error) plans.unreadable.set(row.task_id, outcome)
    else if (task && outcome) plans.planned.push({ row, task, plan: outcome })
  }
  return plans
}

type Planned = { row: DueRow; task: Definition; plan: Plan }

/** Returns what was opened, soonest first; `claimIds` gets the claims that hold it. */
async function open(
  tx: Queryable,
  planned: Planned[],
  options: ClaimOptions,
  claimIds: string[],
): Promise<Claimed[]> {
  const again = planned.filter(
    ({ row: { last }, plan: { run } }) => run && last !== null && run.getTime() <= last,
  )
  const handled = await handledAlready(
    tx,
    again.map(({ row, plan: { run } }) => ({ taskId: row.task_id, run })),
  )
  const { claimSize = Number.POSITIVE_INFINITY } = options
  let runs = 0
  const plans = planned.map(({ row: { task_id: taskId }, task, plan: it }): TaskPlan => {
    const run = handled.has(taskId) ? null : it.run
    const claim = run && Math.floor(runs++ / claimSize)
    return { taskId, task, run, next: it.next, skips: it.skips, claim }
  })
  const claims = Math.ceil(runs / Math.min(claimSize, runs || 1))
  claimIds.push(...Array.from({ length: claims }, () => randomUUID()))
  const executions = await advance(tx, plans, { ...options, claimIds })
  return executions.sort((a, b) => a.due_at.getTime() - b.due_at.getTime())
}

const DUE = {
  task_id: 'task_id',
  definition: 'definition',
  next_run_at: epochMs('next_run_at'),
  runs: 'runs',
  busy_from: epochMs('busy_from'),
  busy_until: epochMs('busy_until'),
  last: epochMs('scheduled_for'),
}

async function lockDue(tx: Queryable, options: ClaimOptions & { after?: Position }): Promise<DueRow[]> {
  const { after, limit } = options
  const isAfter = after && tx`and (next_run_at, task_id) > (${new Date(after.next_run_at)}, ${after.task_id})`
  const [due] = await tx<[Columns<DueRow>]>`
    select ${columns<DueRow>(tx, DUE)}
    from (
      select task_id, definition, next_run_at, runs, busy_from, busy_until, scheduled_for
      from task_state
      where next_run_at <= ${horizon(options)} and paused_at is null and status is null ${isAfter ?? tx``}
      order by next_run_at, task_id
      limit ${limit}
      for no key update skip locked
    ) due`
  return mapRows(due, (index) => ({
    task_id: cell(due.task_id, index),
    definition: cell(due.definition, index),
    next_run_at: cell(due.next_run_at, index),
    runs: cell(due.runs, index),
    busy_from: cell(due.busy_from, index),
    busy_until: cell(due.busy_until, index),
    last: cell(due.last, index),
  }))
}

/** One row that can't be planned must not stop every task that is claimed with it. */
function tryPlan(row: DueRow, task: Definition, now: Date): Plan | Error {
  const { schedule } = task
  if (schedule instanceof AppError) return schedule
  try {
    return planRow(row, task, schedule, now)
  } catch (error) {
    return error instanceof Error ? error : new Error(describe(error))
  }
}

/** A plan knows nothing of the jitter: it gets the real instants moved back by it, and its own are moved on. */
function planRow(row: DueRow, task: Definition, schedule: Schedule, now: Date): Plan {
  const { jitter } = task
  const { busy_from: from, busy_until: until } = row
  const unjittered = (ms: number): Date => new Date(ms - jitter)
  const due: DueTask = {
    schedule,
    cursor: unjittered(row.next_run_at),
    policies: task,
    busy: from === null || until === null ? null : { from: unjittered(from), until: unjittered(until) },
    runsLeft: task.max_runs === null ? null : task.max_runs - row.runs,
  }
  return plan(due, shift(now, -jitter))
}

/** Else one bad row would stop every task that is claimed with it, again at each tick. */
async function pauseUnreadable(tx: Queryable, taskId: number, error: Error): Promise<void> {
  logger.error('task paused: its schedule cannot be read', { task_id: taskId, detail: error.message })
  const reason = tx`${`unreadable schedule: ${error.message}`}`
  await tx`update task_state s set ${pausedItself(tx, tx`true`, reason)} where s.task_id = ${taskId}`
  await touch(tx, [taskId])
}
