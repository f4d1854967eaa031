import { randomUUID } from 'node:crypto'
import { type Database, isUnreachable, type Queryable } from '../../db.ts'
import type { Skip } from '../schedule/plan.ts'
import { type PausedItself, pausedItself, reportPaused, touch } from '../state/pause-itself.ts'
import { type Claimed, type ClaimedExecution, type ClaimOptions, lastRunOf, toClaims } from './claim.ts'
import type { ClaimMemory } from './claim-memory.ts'
import { type DueOptions, type DueRow, lockDue, type Position } from './lock-due.ts'
import { handledAlready, openExecutions, type TaskPlan } from './open-executions.ts'
import { type Planned, planAll } from './plan-due.ts'

/** Number of tasks that a claim has locked, and where the next claim continues if there may be more. */
export type Locked = { count: number; last: Position | undefined }

/**
 * Claims due tasks in one transaction: locks their states, computes their next occurrences in this process, then moves
 * the cursors and opens the executions. Changes to these tasks wait for the locks.
 *
 * Returns two promises. `locked` resolves first; another claim may then continue after the last locked task.
 * `claimed.more` is true if some locked tasks were left over, because planning ran out of time or their params were too
 * large to read together.
 */
export function claimDue(
  sql: Database,
  memory: ClaimMemory,
  options: Omit<DueOptions, 'except'>,
): { locked: Promise<Locked>; claimed: Promise<Claimed> } {
  const since = performance.now()
  const { promise: locked, resolve, reject } = Promise.withResolvers<Locked>()
  const claimIds: string[] = []
  const paused: PausedItself[] = []
  const skips: Skip[] = []
  const claimed = sql.begin(async (tx) => {
    const { rows, last } = await lockDue(tx, { ...options, except: memory.unknownTypes.taskIds() })
    resolve({ count: rows.length, last })
    const { planned, unreadable, seen } = await planAll(tx, memory, rows, options.clock.now)
    for (const [taskId, error] of unreadable) paused.push(...(await pauseUnreadable(tx, taskId, error)))
    skips.push(...planned.flatMap((it) => it.plan.skips))
    const executions = await open(tx, planned, { ...options, workerId: memory.workerId, claimIds })
    return { claims: toClaims(executions, options.clock, since), more: seen < rows.length }
  })
  const counted = claimed.then((result) => {
    reportPaused(paused)
    for (const { reason, count } of skips) memory.counters.skip(reason, count)
    return result
  })
  counted.catch((error: unknown) => {
    // The transaction may have been committed anyway.
    if (isUnreachable(error)) memory.unreceived.add(claimIds, since)
    reject(error)
  })
  // A caller that doesn't await `locked` must not cause an unhandled rejection.
  locked.catch(() => {})
  return { locked, claimed: counted }
}

/**
 * Opens the planned executions. Returns them, soonest first, and adds the ids of their claims to `options.claimIds`.
 */
async function open(
  tx: Queryable,
  planned: Planned[],
  options: ClaimOptions & { workerId: string; claimIds: string[] },
): Promise<ClaimedExecution[]> {
  const again = planned.filter(
    ({ row: { last }, plan: { run } }) => run && last !== null && run.getTime() <= last,
  )
  const handled = await handledAlready(
    tx,
    again.map(({ row, plan: { run } }) => ({ taskId: row.task_id, run })),
  )
  const { claimIds, claimSize = Number.POSITIVE_INFINITY } = options
  let runs = 0
  const plans = planned.map(({ row, task, plan: it }): TaskPlan => {
    const taskId = row.task_id
    const run = handled.has(taskId) ? null : it.run
    const claim = run && Math.floor(runs++ / claimSize)
    return { taskId, task, lastRun: lastRunOf(tookMs(row)), run, next: it.next, skips: it.skips, claim }
  })
  const claims = Math.ceil(runs / Math.min(claimSize, runs || 1))
  claimIds.push(...Array.from({ length: claims }, () => randomUUID()))
  const executions = await openExecutions(tx, plans, options)
  return executions.sort((a, b) => a.due_at.getTime() - b.due_at.getTime())
}

const tookMs = ({ busy_until: until, busy_from: from }: DueRow): number | null =>
  until === null || from === null ? null : until - from

/** Pauses a task whose schedule can't be read. Otherwise planning it would fail again on every tick. */
async function pauseUnreadable(tx: Queryable, taskId: number, error: Error): Promise<PausedItself[]> {
  const reason = tx`${`unreadable schedule: ${error.message}`}`
  const paused = await tx<PausedItself[]>`
    update task_state s
    set ${pausedItself(tx, tx`true`, reason)}
    from tasks t
    where s.task_id = ${taskId} and t.id = s.task_id
    returning s.task_id, t.name as task_name, s.pause_reason as reason`
  await touch(tx, [taskId])
  return paused
}
