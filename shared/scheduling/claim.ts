import { randomUUID } from 'node:crypto'
import type { Database, Fragment, Queryable } from '../db.ts'
import { AppError } from '../errors.ts'
import { logger } from '../logger.ts'
import { advance, handledAlready, type TaskPlan } from './advance.ts'
import { type Claimed, loadClaimed } from './claimed.ts'
import { type Clock, readClock } from './clock.ts'
import { type Definition, readDefinitions } from './definition.ts'
import { type DueTask, type Plan, plan } from './plan.ts'
import { type Schedule, shift } from './schedule.ts'

/** Executions handed to one worker: whoever holds `id` may start and settle them, as long as its lease lasts. */
export type Claim = {
  id: string
  executions: Claimed[]
  /** By which their instants are told. */
  clock: Clock
  /** Before the lease began, on this process' monotonic clock (`performance.now()`). */
  since: number
}

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

export type ClaimOptions = {
  /** Executions at most. */
  limit: number
  leaseSeconds: number
  /** What falls due within so many milliseconds is claimed too. Default 0. */
  aheadMs?: number
  /** What is due starts with its claim: for workers in this process, which have it the moment it is committed. */
  startsDue?: boolean
  /** Executions of one claim at most; a larger set makes several. Default: all in one. */
  claimSize?: number
  /** Decides what is due: the database's, read once a tick. */
  clock: Clock
}

type Taken = {
  claims: Claim[]
  /** Whether there may be more. */
  more: boolean
}

/**
 * Claims up to `limit` executions under fresh claim ids, leased for `leaseSeconds` of the database's clock: first what is
 * queued and nobody holds (retries, run-now, handed back), then due tasks.
 */
export async function claim(sql: Database, options: ClaimOptions): Promise<Taken> {
  const since = performance.now()
  const queued = await claimQueued(sql, options)
  const limit = options.limit - queued.length
  const due = limit > 0 ? await claimDue(sql, { ...options, limit }) : { executions: [], more: true }
  return { claims: toClaims([...queued, ...due.executions], options.clock, since), more: due.more }
}

function toClaims(executions: Claimed[], clock: Clock, since: number): Claim[] {
  const byClaim = Map.groupBy(executions, (it) => it.claim_id)
  return [...byClaim].map(([id, own]) => ({ id, executions: own, clock, since }))
}

/** Claims one task's queued execution, if nobody holds it: what a person asked for need not wait for a tick. */
export async function claimOne(sql: Database, taskId: number, leaseSeconds: number): Promise<Claim[]> {
  const since = performance.now()
  const options = { limit: 1, leaseSeconds, clock: await readClock(sql) }
  const taken = await claimUnheld(sql, options, sql`s.task_id = ${taskId} and s.unheld_due_at is not null`)
  return toClaims(taken, options.clock, since)
}

/**
 * A claim whose worker was told the ids only: what of it has not started. Its lease began when it was made, and is renewed here
 * since nobody can tell how long its way took.
 */
export async function loadClaim(
  sql: Queryable,
  id: string,
  taskIds: number[],
  leaseSeconds: number,
): Promise<Claim> {
  const since = performance.now()
  await sql`
    update claims set lease_expires_at = now() + make_interval(secs => ${leaseSeconds}) where id = ${id}`
  const clock = await readClock(sql)
  return { id, executions: await loadClaimed(sql, id, taskIds), clock, since }
}

/** A paused task's scheduled work waits until it is resumed; what a person asked for by hand runs. */
async function claimQueued(sql: Database, options: ClaimOptions): Promise<Claimed[]> {
  const due = sql`
    s.unheld_due_at <= ${horizon(options)} and (s.paused_at is null or s.trigger <> 'schedule')`
  return await claimUnheld(sql, options, due)
}

async function claimUnheld(sql: Database, options: ClaimOptions, which: Fragment): Promise<Claimed[]> {
  const { claimSize = Number.POSITIVE_INFINITY } = options
  return await sql.begin(async (tx) => {
    const taken = await tx<{ task_id: number }[]>`
      select s.task_id from task_state s
      where ${which}
      order by s.unheld_due_at
      limit ${options.limit}
      for no key update skip locked`
    const executions: Claimed[] = []
    for (const group of Map.groupBy(taken, (_, index) => Math.floor(index / claimSize)).values()) {
      const id = randomUUID()
      const taskIds = group.map((row) => row.task_id)
      await tx`
        with claimed as (
          insert into claims (id, lease_expires_at, task_ids)
          values (${id}, now() + make_interval(secs => ${options.leaseSeconds}), ${taskIds}::int[])
        )
        update task_state set claim_id = ${id}, unheld_due_at = null where task_id = any(${taskIds}::int[])`
      executions.push(...(await loadClaimed(tx, id, taskIds)))
    }
    return executions
  })
}

/** Up to when what falls due is claimed. */
const horizon = ({ clock, aheadMs = 0 }: ClaimOptions): Date => new Date(clock.now.getTime() + aheadMs)

/** Long backlogs of cron schedules take time to count: what is not planned by then is left, unlocked, to the next claim. */
const PLANNING_MS = 500

/**
 * One transaction: lock the state of the due tasks; compute their next instants here; then advance the cursors and open the executions.
 * A change of a task waits for the lock.
 */
async function claimDue(
  sql: Database,
  options: ClaimOptions,
): Promise<{ executions: Claimed[]; more: boolean }> {
  return await sql.begin(async (tx) => {
    const rows = await lockDue(tx, options)
    if (rows.length === 0) return { executions: [], more: false }
    const since = performance.now()
    const definitions = await readDefinitions(tx, rows)
    const planned: Planned[] = []
    let seen = 0
    for (const row of rows) {
      if (performance.now() - since > PLANNING_MS) break
      seen += 1
      const task = definitions.get(row.task_id)
      if (!task) continue
      const { schedule } = task
      if (schedule instanceof AppError) await pauseUnreadable(tx, row.task_id, schedule)
      else planned.push({ row, task, plan: planRow(row, task, schedule, options.clock.now) })
    }
    const executions = await open(tx, planned, options)
    return { executions, more: rows.length === options.limit || seen < rows.length }
  })
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
async function pauseUnreadable(tx: Queryable, taskId: number, error: AppError): Promise<void> {
  logger.error('task paused: its schedule cannot be read', { task_id: taskId, detail: error.message })
  await tx`
    update task_state
    set paused_at = now(), pause_reason = ${`unreadable schedule: ${error.message}`}
    where task_id = ${taskId}`
  await tx`update tasks set version = version + 1, updated_at = now() where id = ${taskId}`
}
