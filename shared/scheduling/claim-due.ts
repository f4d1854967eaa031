import { randomUUID } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import type { Database, Queryable } from '../db.ts'
import { AppError } from '../errors.ts'
import { logger } from '../logger.ts'
import { advance, handledAlready, type TaskPlan } from './advance.ts'
import { type ClaimOptions, horizon, type Taken, toClaims } from './claim.ts'
import type { Claimed } from './claimed.ts'
import { type Definition, readDefinitions } from './definition.ts'
import { type DueTask, type Plan, plan } from './plan.ts'
import { describe } from './record.ts'
import { type Schedule, shift } from './schedule.ts'

/** The state of a due task. */
type DueRow = {
  task_id: number
  definition: number
  next_run_at: Date
  runs: number
  busy_from: Date | null
  busy_until: Date | null
  /** The last occurrence that was opened. */
  last: Date | null
}

/** Long backlogs of cron schedules take time to count: what is not planned by then is left, unlocked, to the next claim. */
const PLANNING_MS = 500

/** Others get a turn in between. */
const PLANNING_TURN_MS = 20

/**
 * Claims due tasks, soonest first, in one transaction: lock their states; compute their next instants here; then advance the cursors and
 * open the executions. A change of a task waits for the lock.
 */
export async function claimDue(sql: Database, options: ClaimOptions): Promise<Taken> {
  const since = performance.now()
  return await sql.begin(async (tx) => {
    const rows = await lockDue(tx, options)
    const { planned, unreadable, seen } = await planAll(tx, rows, options.clock.now)
    for (const [taskId, error] of unreadable) await pauseUnreadable(tx, taskId, error)
    const executions = await open(tx, planned, options)
    const more = rows.length === options.limit || seen < rows.length
    return { claims: toClaims(executions, options.clock, since), more }
  })
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

/** Gives what was opened, soonest first. */
async function open(tx: Queryable, planned: Planned[], options: ClaimOptions): Promise<Claimed[]> {
  const again = planned.filter(({ row, plan: { run } }) => run && row.last && run <= row.last)
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
  const claimIds = Array.from({ length: Math.ceil(runs / Math.min(claimSize, runs || 1)) }, () =>
    randomUUID(),
  )
  const executions = await advance(tx, plans, { ...options, claimIds })
  return executions.sort((a, b) => a.due_at.getTime() - b.due_at.getTime())
}

async function lockDue(tx: Queryable, options: ClaimOptions): Promise<DueRow[]> {
  return await tx<DueRow[]>`
    select task_id, definition, next_run_at, runs, busy_from, busy_until, scheduled_for as last
    from task_state
    where next_run_at <= ${horizon(options)} and paused_at is null and status is null
    order by next_run_at, task_id
    limit ${options.limit}
    for no key update skip locked`
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
  const due: DueTask = {
    schedule,
    cursor: shift(row.next_run_at, -jitter),
    policies: task,
    busy: from && until && { from: shift(from, -jitter), until: shift(until, -jitter) },
    runsLeft: task.max_runs === null ? null : task.max_runs - row.runs,
  }
  return plan(due, shift(now, -jitter))
}

/** Else one bad row would stop every task that is claimed with it, again at each tick. */
async function pauseUnreadable(tx: Queryable, taskId: number, error: Error): Promise<void> {
  logger.error('task paused: its schedule cannot be read', { task_id: taskId, detail: error.message })
  await tx`
    update task_state
    set paused_at = now(), pause_reason = ${`unreadable schedule: ${error.message}`}
    where task_id = ${taskId}`
  await tx`update tasks set version = version + 1, updated_at = now() where id = ${taskId}`
}
