import { randomUUID } from 'node:crypto'
import { type Columns, cell, columns, epochMs, mapRows } from '../columns.ts'
import { type Database, type Fragment, isUnreachable, type Queryable } from '../db.ts'
import { AppError } from '../errors.ts'
import { logger } from '../logger.ts'
import { Turn } from '../turn.ts'
import { advance, handledAlready, type TaskPlan } from './advance.ts'
import { type ClaimOptions, horizon, type Taken, toClaims } from './claim.ts'
import { type Claimed, lastRunOf, QUICK_MS } from './claimed.ts'
import { type Definition, isRunnable, readDefinitions } from './definition.ts'
import { type DueTask, type Plan, plan } from './plan.ts'
import { describe } from './record.ts'
import { type Schedule, shift } from './schedule.ts'
import { pausedItself, touch } from './state/pause-itself.ts'
import { leftToOthers } from './unknown-types.ts'
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

/** Of a task among those that are due: when, and which. */
export type Position = { next_run_at: number; task_id: number }

/** What a claim has locked: how many, and where the next one goes on, if there may be more. */
export type Locked = { count: number; last: Position | undefined }

/**
 * Which of the due tasks: `oldest` first; `both`, as many of those that have been due for longest as of those that have just come, when there is not room
 * for all; or, of the latest, those whose runs are not `slow`.
 */
export type Which = 'oldest' | 'both' | 'quick'

type DueOptions = ClaimOptions & { after?: Position; which: Which }

/**
 * Claims due tasks in one transaction: lock their states; compute their next instants here; then advance the cursors and
 * open the executions. A change of a task waits for the lock. `locked` comes first; then the next claim may look `after` those. There
 * is `more` when some of them are left, for which there was no time or that have too many bytes.
 */
export function claimDue(
  sql: Database,
  options: DueOptions,
): { locked: Promise<Locked>; taken: Promise<Taken> } {
  const since = performance.now()
  const { promise: locked, resolve, reject } = Promise.withResolvers<Locked>()
  const claimIds: string[] = []
  const taken = sql.begin(async (tx) => {
    const { rows, last } = await lockDue(tx, options)
    resolve({ count: rows.length, last })
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
  const { found: definitions, left } = await readDefinitions(tx, rows)
  const plans: Plans = { planned: [], unreadable: new Map(), seen: 0 }
  const since = performance.now()
  const turn = new Turn()
  for (const row of rows) {
    if (performance.now() - since > PLANNING_MS) break
    if (turn.isOver) await turn.next()
    if (left.has(row.task_id)) continue
    plans.seen += 1
    planOne(plans, row, definitions.get(row.task_id), now)
  }
  return plans
}

function planOne(plans: Plans, row: DueRow, task: Definition | undefined, now: Date): void {
  if (!task || !isRunnable(task, now.getTime() - row.next_run_at)) return
  const outcome = tryPlan(row, task, now)
  if (outcome instanceof Error) plans.unreadable.set(row.task_id, outcome)
  else plans.planned.push({ row, task, plan: outcome })
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
  const plans = planned.map(({ row, task, plan: it }): TaskPlan => {
    const taskId = row.task_id
    const run = handled.has(taskId) ? null : it.run
    const claim = run && Math.floor(runs++ / claimSize)
    return { taskId, task, lastRun: lastRunOf(tookMs(row)), run, next: it.next, skips: it.skips, claim }
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

/** Quick ones are looked for among so many of the latest. */
const LATEST = 1000

const tookMs = ({ busy_until: until, busy_from: from }: DueRow): number | null =>
  until === null || from === null ? null : until - from

async function lockDue(
  tx: Queryable,
  options: DueOptions,
): Promise<{ rows: DueRow[]; last: Position | undefined }> {
  const { limit, which } = options
  if (which === 'quick') return { rows: await lockThose(tx, quick(tx, options)), last: undefined }
  const most = which === 'both' ? Math.ceil(limit / 2) : limit
  const rest = limit > most ? latest(tx, options, limit - most) : undefined
  const rows = await lockThose(tx, oldest(tx, options, most), rest)
  const last = rows[most - 1]
  return { rows: rest ? alternately(rows.slice(0, most), rows.slice(most)) : rows, last }
}

const isDue = (tx: Queryable, options: ClaimOptions) => tx`
  next_run_at <= ${horizon(options)} and paused_at is null and status is null ${isForThisProcess(tx)}`

function isForThisProcess(tx: Queryable): Fragment {
  const left = leftToOthers()
  return left.length === 0 ? tx`` : tx`and task_id <> all(${left}::int[])`
}

const isAfter = (tx: Queryable, { after }: DueOptions) =>
  after ? tx`and (next_run_at, task_id) > (${new Date(after.next_run_at)}, ${after.task_id})` : tx``

const oldest = (tx: Queryable, options: DueOptions, count: number) => tx`
  ${isDue(tx, options)} ${isAfter(tx, options)}
  order by next_run_at, task_id
  limit ${count}`

/** Behind the last of the oldest. */
const latest = (tx: Queryable, options: DueOptions, count: number) => tx`
  ${isDue(tx, options)} ${isAfter(tx, options)} and (next_run_at, task_id) > (
    select next_run_at, task_id from first order by next_run_at desc, task_id desc limit 1
  )
  order by next_run_at desc, task_id desc
  limit ${count}`

const quick = (tx: Queryable, options: DueOptions) => tx`
  ${isDue(tx, options)} and (busy_until is null or busy_until - busy_from <= ${QUICK_MS} * interval '1 ms')
    and task_id in (
      select task_id from task_state
      where ${isDue(tx, options)}
      order by next_run_at desc, task_id desc
      limit ${LATEST}
    )
  order by next_run_at desc, task_id desc
  limit ${options.limit}`

/** The planning of a long backlog may end before its time comes to the last of them. */
function alternately<T>(some: T[], others: T[]): T[] {
  return some.flatMap((it, index) => [it, ...others.slice(index, index + 1)])
}

/** Locks what `which` picks, and then, if given, what `also` does, of what is left. */
async function lockThose(tx: Queryable, which: Fragment, also?: Fragment): Promise<DueRow[]> {
  const wanted = tx`task_id, definition, next_run_at, runs, busy_from, busy_until, scheduled_for`
  const first = tx`select ${wanted} from task_state where ${which} for no key update skip locked`
  const second =
    also &&
    tx`
    , second as materialized (
      select ${wanted} from task_state where ${also} for no key update skip locked
    )`
  const [due] = await tx<[Columns<DueRow>]>`
    ${second ? tx`with first as materialized (${first}) ${second}` : tx``}
    select ${columns<DueRow>(tx, DUE)}
    from (${second ? tx`select * from first union all select * from second` : first}) due`
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
    isFirst: row.last === null,
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
