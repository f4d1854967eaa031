import { config } from '../config.ts'
import { type Database, type Queryable, schedulerDb } from '../db.ts'
import { AppError, notFound } from '../errors.ts'
import { type Execution, openColumns } from '../executions/execution.ts'
import { getExecution } from '../executions/get.ts'
import { logger } from '../logger.ts'
import { claimOne } from './claim.ts'
import { currentInvoke, handOver } from './invoke.ts'
import { type ByHand, noneQueuedByHand, nothingOpen, openedByHand, queuedByHand } from './state/open.ts'

/** A run that was asked for: its execution, or, while another one is open, that it will follow. */
export type Asked = { execution: Execution } | { queued: true }

/**
 * Runs a task now, whatever its schedule, also while it is paused. While an execution is open: `conflict`, or, with `queue`,
 * one run that follows it with the next tick, however often it is asked for. Throws `not_found`.
 */
export async function runNow(sql: Database, taskId: number, overlap: 'refuse' | 'queue'): Promise<Asked> {
  const execution = await openRun(sql, { taskId, trigger: 'manual', rerunOf: null })
  if (execution) return { execution: await startAtOnce(execution) }
  if (overlap === 'refuse') throw new AppError('conflict', `task ${taskId} has an open execution`)
  const queued = await sql`
    update task_state s set ${queuedByHand(sql)} where s.task_id = ${taskId}::bigint`
  if (queued.count === 0) throw notFound('task', taskId)
  return { queued: true }
}

/** Runs the task of an execution that has ended once more. Throws `not_found`, and `conflict` while one is open. */
export async function rerun(sql: Database, executionId: number): Promise<Execution> {
  const { task_id: taskId } = await getExecution(sql, executionId)
  const execution = await openRun(sql, { taskId, trigger: 'rerun', rerunOf: executionId })
  if (!execution) throw new AppError('conflict', `task ${taskId} has an open execution`)
  return await startAtOnce(execution)
}

type Run = { taskId: number; trigger: ByHand; rerunOf: number | null }

/** Undefined while an execution of the task is open: it has the only place there is, so two can't slip in. */
async function openRun(sql: Queryable, { taskId, trigger, rerunOf }: Run): Promise<Execution | undefined> {
  const [execution] = await sql<[Execution?]>`
    update task_state s
    set ${openedByHand(sql, trigger, rerunOf)}
    where s.task_id = ${taskId}::bigint and ${nothingOpen(sql)}
    returning ${openColumns(sql)}`
  if (execution) return execution
  const [task] = await sql`select from task_state where task_id = ${taskId}::bigint`
  if (!task) throw notFound('task', taskId)
  return undefined
}

/** Not for the next tick, if this process can hand it over; else a tick finds it, so a failure costs nothing but time. */
async function startAtOnce(execution: Execution): Promise<Execution> {
  try {
    const invoke = currentInvoke()
    const { now, ahead, quick = 0 } = await invoke.capacity()
    if (Math.max(now, ahead, quick) <= 0) return execution
    const sql = schedulerDb()
    await handOver(sql, invoke, await claimOne(sql, execution.task_id, config().leaseSeconds))
  } catch (error) {
    logger.warn('a run waits for the next tick', { execution_id: execution.id, error: error as Error })
  }
  return execution
}

/** More than that wait for the next tick. */
const RELEASED_PER_TICK = 1000

/** Lets the runs follow that were asked for while another was open, once that has ended. */
export async function releaseQueuedRuns(sql: Queryable): Promise<void> {
  await sql`
    with ready as (
      select task_id from task_state
      where run_queued_at is not null and status is null
      order by run_queued_at
      limit ${RELEASED_PER_TICK}
      for no key update skip locked
    )
    update task_state s
    set ${openedByHand(sql, 'manual', null)}, ${noneQueuedByHand(sql)}
    from ready
    where s.task_id = ready.task_id`
}
