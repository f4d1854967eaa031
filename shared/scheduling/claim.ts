import { randomUUID } from 'node:crypto'
import type { Database, Queryable } from '../db.ts'
import { AppError } from '../errors.ts'
import { logger } from '../logger.ts'
import { type DueTask, type Plan, type Policies, plan } from './plan.ts'
import { jitterMs, readSchedule, type ScheduleFields, shift } from './schedule.ts'

/** Executions handed to one worker: whoever holds `claimId` may start and settle them, as long as the lease lasts. */
export type Claim = {
  claimId: string
  executionIds: number[]
  /** Of each, the milliseconds from the claim until it is due: it is claimed ahead, and starts at its own instant. */
  waitsMs: number[]
}

type Claimed = { id: number; wait_ms: number }

const toClaim = (claimId: string, rows: Claimed[]): Claim => ({
  claimId,
  executionIds: rows.map((row) => row.id),
  waitsMs: rows.map((row) => Math.max(0, row.wait_ms)),
})

type DueRow = ScheduleFields &
  Policies & {
    id: number
    name: string
    next_run_at: Date
    max_runs: number | null
    runs: number
    now: Date
    busy_from: Date | null
    busy_until: Date | null
  }

type Taken = {
  claim: Claim
  /** How many rows were looked at; fewer than the limit means that nothing is left. */
  seen: number
}

export type ClaimOptions = {
  limit: number
  leaseSeconds: number
  /** What falls due within so many milliseconds is claimed too. Default 0. */
  aheadMs?: number
  /** Decides what is due, instead of the database's clock: for tests that go through days. */
  now?: Date
}

/**
 * Claims up to `limit` executions under a fresh claim id, leased for `leaseSeconds` of the database's clock:
 * first what is queued and nobody holds (retries, run-now, handed back), then due tasks.
 */
export async function claim(sql: Database, options: ClaimOptions): Promise<Taken> {
  const claimId = randomUUID()
  const queued = await claimQueued(sql, claimId, options)
  const due = await claimDue(sql, claimId, { ...options, limit: options.limit - queued.length })
  return { claim: toClaim(claimId, [...queued, ...due.claimed]), seen: queued.length + due.seen }
}

/** Claims one execution that is queued, if nobody holds it: what a person asked for need not wait for a tick. */
export async function claimOne(sql: Queryable, id: number, leaseSeconds: number): Promise<Claim> {
  const claimId = randomUUID()
  const rows = await sql<Claimed[]>`
    update executions
    set claim_id = ${claimId}, lease_expires_at = now() + make_interval(secs => ${leaseSeconds})
    where id = ${id} and status = 'queued' and claim_id is null
    returning id, 0 as wait_ms`
  return toClaim(claimId, rows)
}

/** A paused task's scheduled work waits until it is resumed; what a person asked for by hand runs. */
async function claimQueued(sql: Queryable, claimId: string, options: ClaimOptions): Promise<Claimed[]> {
  const { limit, leaseSeconds } = options
  return await sql<Claimed[]>`
    update executions
    set claim_id = ${claimId}, lease_expires_at = now() + make_interval(secs => ${leaseSeconds})
    where id in (
      select e.id
      from executions e
      join tasks t on t.id = e.task_id
      where e.status = 'queued' and e.claim_id is null and e.due_at <= ${horizon(sql, options)}
        and (t.paused_at is null or e.trigger <> 'schedule')
      order by e.due_at
      limit ${limit}
      for update of e skip locked
    )
    returning id, ${waitMs(sql, options)} as wait_ms`
}

const clock = (sql: Queryable, { now }: ClaimOptions) => (now ? sql`${now}::timestamptz` : sql`now()`)

/** Up to when what falls due is claimed. */
const horizon = (sql: Queryable, options: ClaimOptions) =>
  sql`${clock(sql, options)} + make_interval(secs => ${(options.aheadMs ?? 0) / 1000})`

const waitMs = (sql: Queryable, options: ClaimOptions) =>
  sql`(extract(epoch from due_at - ${clock(sql, options)}) * 1000)::float8`

/** Long backlogs of cron schedules take time to count: what is not planned by then is left, unlocked, to the next claim. */
const PLANNING_MS = 500

/**
 * One transaction of two statements: lock the due tasks; compute their next instants here; then advance the cursors and
 * insert the executions. The second statement has a fresh snapshot while the rows are locked, so its look at open
 * executions is the truth: the snapshot of the first may be older than the lock.
 */
async function claimDue(
  sql: Database,
  claimId: string,
  options: ClaimOptions,
): Promise<{ claimed: Claimed[]; seen: number }> {
  if (options.limit <= 0) return { claimed: [], seen: 0 }
  return await sql.begin(async (tx) => {
    const rows = await lockDue(tx, options)
    if (rows.length === 0) return { claimed: [], seen: 0 }
    const lockedAt = performance.now()
    const plans: TaskPlan[] = []
    let seen = 0
    for (const row of rows) {
      if (performance.now() - lockedAt > PLANNING_MS) break
      seen += 1
      const planned = planRow(row)
      if (planned instanceof AppError) await pauseUnreadable(tx, row.id, planned)
      else plans.push(planned)
    }
    const claimed = await advance(tx, plans, claimId, options)
    // The wait counts from the database's clock at the claim, which lies before `lockedAt`: so none ends too early.
    const passed = performance.now() - lockedAt
    return {
      claimed: claimed.map(({ id, wait_ms }) => ({ id, wait_ms: wait_ms - passed })),
      seen: seen < rows.length ? options.limit : seen,
    }
  })
}

async function lockDue(tx: Queryable, options: ClaimOptions): Promise<DueRow[]> {
  return await tx<DueRow[]>`
    select t.id, t.name, t.schedule_type, t.interval_seconds, t.interval_mode, t.cron_expression, t.timezone,
      t.start_at, t.end_at, t.jitter_seconds, t.next_run_at, t.max_runs, t.runs,
      t.overlap_policy, t.misfire_policy, t.misfire_grace_seconds,
      ${clock(tx, options)} as now, busy.busy_from, busy.busy_until
    from tasks t
    cross join lateral (
      select min(e.started_at) as busy_from, max(e.finished_at) as busy_until
      from executions e
      where e.task_id = t.id and e.scheduled_for = (
        select last.scheduled_for
        from executions last
        where last.task_id = t.id and last.started_at is not null
        order by last.scheduled_for desc
        limit 1
      )
    ) busy
    where t.next_run_at <= ${horizon(tx, options)} and t.paused_at is null
      and not exists (
        select from executions e where e.task_id = t.id and e.status in ('queued', 'running')
      )
    order by t.next_run_at
    limit ${options.limit}
    for update of t skip locked`
}

/** A schedule that can't be read (written by hand, or a zone that this Node doesn't know) is an answer, not a throw. */
function planRow(row: DueRow): TaskPlan | AppError {
  try {
    const jitter = jitterMs(row.name, row.jitter_seconds)
    return { taskId: row.id, jitter, ...plan(dueTask(row, jitter), shift(row.now, -jitter)) }
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
}

/** A plan knows nothing of the jitter: it gets the real instants moved back by it, and its own are moved on. */
function dueTask(row: DueRow, jitter: number): DueTask {
  const { busy_from: from, busy_until: until } = row
  return {
    schedule: readSchedule(row),
    cursor: shift(row.next_run_at, -jitter),
    policies: row,
    busy: from && until && { from: shift(from, -jitter), until: shift(until, -jitter) },
    runsLeft: row.max_runs === null ? null : row.max_runs - row.runs,
  }
}

/** Else one bad row would stop every task that is claimed with it, again at each tick. */
async function pauseUnreadable(tx: Queryable, taskId: number, error: AppError): Promise<void> {
  logger.error('task paused: its schedule cannot be read', { task_id: taskId, detail: error.message })
  await tx`
    update tasks
    set paused_at = now(), pause_reason = ${`unreadable schedule: ${error.message}`}, updated_at = now()
    where id = ${taskId}`
}

type TaskPlan = Plan & { taskId: number; jitter: number }

/** `on conflict do nothing`: an occurrence that was handled already (its cursor was set back by hand) stays handled. */
async function advance(
  tx: Queryable,
  plans: TaskPlan[],
  claimId: string,
  options: ClaimOptions,
): Promise<Claimed[]> {
  const skips = plans.flatMap((it) => it.skips.map((skip) => ({ taskId: it.taskId, ...skip })))
  return await tx<Claimed[]>`
    with planned as (
      select * from unnest(
        ${plans.map((it) => it.taskId)}::int[],
        ${isoOf(plans.map((it) => it.run))}::timestamptz[],
        ${isoOf(plans.map((it) => it.next))}::timestamptz[],
        ${plans.map((it) => it.jitter / 1000)}::float8[]
      ) as p (task_id, run, next, jitter)
      where not exists (
        select from executions e where e.task_id = p.task_id and e.status in ('queued', 'running')
      )
    ),
    moved as (
      update tasks t
      set next_run_at = p.next + make_interval(secs => p.jitter), runs = t.runs + (p.run is not null)::int
      from planned p
      where t.id = p.task_id
    ),
    skipped as (
      insert into executions
        (task_id, scheduled_for, due_at, status, finished_at, skip_reason, skipped_until, skipped_count)
      select s.task_id, s.first, s.first, 'skipped', now(), s.reason, s.last, s.count
      from unnest(
        ${skips.map((it) => it.taskId)}::int[],
        ${skips.map((it) => it.reason)}::text[],
        ${isoOf(skips.map((it) => it.first))}::timestamptz[],
        ${isoOf(skips.map((it) => it.last))}::timestamptz[],
        ${skips.map((it) => it.count)}::bigint[]
      ) as s (task_id, reason, first, last, count)
      join planned p on p.task_id = s.task_id
      on conflict do nothing
    )
    insert into executions (task_id, scheduled_for, due_at, status, claim_id, lease_expires_at)
    select task_id, run, run + make_interval(secs => jitter), 'queued', ${claimId},
      now() + make_interval(secs => ${options.leaseSeconds})
    from planned
    where run is not null
    order by run
    on conflict do nothing
    returning id, ${waitMs(tx, options)} as wait_ms`
}

/** postgres.js takes an array of Dates for a single one (it looks at the first element); strings it leaves to the server. */
const isoOf = (instants: (Date | null)[]): (string | null)[] =>
  instants.map((it) => it?.toISOString() ?? null)
