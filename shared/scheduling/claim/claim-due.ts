import { randomUUID } from 'node:crypto'
import { type Columns, cell, columns, epochMs, mapRows } from '../../columns.ts'
import { type Database, type Fragment, isUnreachable, type Queryable } from '../../db.ts'
import { AppError, messageOf } from '../../errors.ts'
import { logger } from '../../logger.ts'
import { Turn } from '../../turn.ts'
import { rememberUnreceived } from '../repair/unreceived.ts'
import { type DueTask, type Plan, plan } from '../schedule/plan.ts'
import { type Schedule, shift } from '../schedule/schedule.ts'
import { pausedItself, touch } from '../state/pause-itself.ts'
import { type ClaimOptions, horizon, type Taken, toClaims } from './claim.ts'
import { type ClaimedExecution, lastRunOf, QUICK_MS } from './claimed-execution.ts'
import { type Definition, isRunnable, readDefinitions } from './definition.ts'
import { handledAlready, openOccurrences, type TaskPlan } from './open-occurrences.ts'
import { leftToOthers } from './unknown-types.ts'

/** A due task's row of `task_state`. Instants are milliseconds since 1970. */
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

/**
 * Counting a long backlog of a cron schedule takes time. What isn't planned within this limit is left to the next
 * claim.
 */
const PLANNING_MS = 500

/** Where a task stands among those that are due. */
export type Position = { next_run_at: number; task_id: number }

/** How many tasks a claim has locked, and where the next claim continues if there may be more. */
export type Locked = { count: number; last: Position | undefined }

/**
 * Which due tasks to claim. `oldest`: those that have been due longest. `both`: half of those, and half of the latest,
 * for when there aren't slots for all. `quick`: quick and new tasks among the latest.
 */
type Which = 'oldest' | 'both' | 'quick'

type DueOptions = ClaimOptions & { after?: Position; which: Which }

/**
 * Claims due tasks in one transaction: it locks their states, computes their next instants in this process, then moves
 * the cursors and opens the executions. A change of a task waits for the lock.
 *
 * Returns two promises. `locked` resolves first; from then on another claim may continue `after` those tasks.
 * `taken.more` is true when some locked tasks were left over, because there was no time for them or their params were
 * too large.
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
    // The transaction may have been committed anyway.
    if (isUnreachable(error)) rememberUnreceived(claimIds, since)
    reject(error)
  })
  // A caller that doesn't await it must not cause an unhandled rejection.
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

/** Returns the opened executions, soonest first, and adds the ids of their claims to `claimIds`. */
async function open(
  tx: Queryable,
  planned: Planned[],
  options: ClaimOptions,
  claimIds: string[],
): Promise<ClaimedExecution[]> {
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
  const executions = await openOccurrences(tx, plans, { ...options, claimIds })
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

/** How many of the latest due tasks are searched for quick ones. */
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

/** From the other end, down to where `oldest` stopped. */
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

/** Planning may run out of time, so both halves get their share of it. */
function alternately<T>(some: T[], others: T[]): T[] {
  return some.flatMap((it, index) => [it, ...others.slice(index, index + 1)])
}

/** Locks the rows that match `which`, and of the rest those that match `also`. */
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

/** A row that can't be planned must not stop the tasks that are claimed with it. */
function tryPlan(row: DueRow, task: Definition, now: Date): Plan | Error {
  const { schedule } = task
  if (schedule instanceof AppError) return schedule
  try {
    return planRow(row, task, schedule, now)
  } catch (error) {
    return error instanceof Error ? error : new Error(messageOf(error))
  }
}

/** Plans know nothing of jitter: they get instants without it, and it is added to what they return. */
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

/** Otherwise it would fail again at each tick. */
async function pauseUnreadable(tx: Queryable, taskId: number, error: Error): Promise<void> {
  logger.error('task paused: its schedule cannot be read', { task_id: taskId, detail: error.message })
  const reason = tx`${`unreadable schedule: ${error.message}`}`
  await tx`update task_state s set ${pausedItself(tx, tx`true`, reason)} where s.task_id = ${taskId}`
  await touch(tx, [taskId])
}
