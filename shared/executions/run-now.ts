import type { Database, Queryable } from '../db.ts'
import { AppError, notFound } from '../errors.ts'
import { logger } from '../logger.ts'
import type { ClaimMemory } from '../scheduling/claim/claim-memory.ts'
import { claimOne } from '../scheduling/claim/claim-queued.ts'
import { type Dispatcher, dispatch } from '../scheduling/claim/dispatch.ts'
import { type ManualTrigger, nothingOpen, openedManually, runQueued } from '../scheduling/state/open.ts'
import { type Execution, openColumns } from './execution.ts'
import { getExecution } from './get.ts'

/** The dependencies for starting a run immediately instead of at the next tick. `sql` is the scheduler's pool. */
export type Starting = { sql: Database; dispatcher: Dispatcher; memory: ClaimMemory; leaseSeconds: number }

/** The result of requesting a manual run: the new execution, or `queued` if a run will follow the open execution. */
export type Asked = { execution: Execution } | { queued: true }

/**
 * Starts a manual run of a task, regardless of its schedule and even while the task is paused. If an execution is
 * already open, either queues a run (with `overlap: queue`) or throws `conflict`. A tick opens that run once the open
 * execution has ended. Only one run is queued, no matter how many are requested. Throws `not_found`.
 */
export async function runNow(
  sql: Database,
  { taskId, overlap }: { taskId: number; overlap: 'refuse' | 'queue' },
  starting?: Starting,
): Promise<Asked> {
  const execution = await openRun(sql, { taskId, trigger: 'manual', rerunOf: null })
  if (execution) return { execution: await startAtOnce(execution, starting) }
  if (overlap === 'refuse') {
    const detail = `task ${taskId} has an open execution; with overlap: queue, a run would follow it`
    throw new AppError('conflict', detail)
  }
  const queued = await sql`
    update task_state s set ${runQueued(sql)} where s.task_id = ${taskId}::bigint`
  if (queued.count === 0) throw notFound('task', taskId)
  return { queued: true }
}

/**
 * Runs an execution's task again, as a manual run. Throws `not_found`, or `conflict` if the task has an open execution.
 */
export async function rerun(sql: Database, executionId: number, starting?: Starting): Promise<Execution> {
  const { task_id: taskId } = await getExecution(sql, executionId)
  const execution = await openRun(sql, { taskId, trigger: 'rerun', rerunOf: executionId })
  if (!execution) throw new AppError('conflict', `task ${taskId} has an open execution`)
  return await startAtOnce(execution, starting)
}

type Run = { taskId: number; trigger: ManualTrigger; rerunOf: number | null }

/**
 * Opens a manual run. Returns undefined if an execution of the task is open. The task's row has room for only one open
 * execution, so two calls can't both succeed.
 */
async function openRun(sql: Queryable, { taskId, trigger, rerunOf }: Run): Promise<Execution | undefined> {
  const [execution] = await sql<[Execution?]>`
    update task_state s
    set ${openedManually(sql, trigger, sql`${rerunOf}::bigint`)}
    where s.task_id = ${taskId}::bigint and ${nothingOpen(sql)}
    returning ${openColumns(sql)}`
  if (execution) return execution
  const [task] = await sql`select from task_state where task_id = ${taskId}::bigint`
  if (!task) throw notFound('task', taskId)
  return undefined
}

/** Dispatches the execution now if there is a slot for it. Otherwise, or if that fails, the next tick claims it. */
async function startAtOnce(execution: Execution, starting: Starting | undefined): Promise<Execution> {
  if (!starting) return execution
  const { sql, dispatcher, memory, leaseSeconds } = starting
  try {
    const { now, ahead, quick = 0 } = await dispatcher.capacity()
    if (Math.max(now, ahead, quick) <= 0) return execution
    const claims = await claimOne(sql, memory, { taskId: execution.task_id, leaseSeconds })
    await dispatch(sql, dispatcher, claims)
  } catch (error) {
    logger.warn('a manual run waits for the next tick', { execution_id: execution.id, error: error as Error })
  }
  return execution
}
