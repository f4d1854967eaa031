import { config } from '../config.ts'
import type { Database, Queryable } from '../db.ts'
import { AppError, notFound } from '../errors.ts'
import { type Execution, executionColumns } from '../executions/execution.ts'
import { logger } from '../logger.ts'
import { claimOne } from './claim.ts'
import { currentInvoke, handOver } from './invoke.ts'

/** A run that was asked for: its execution, or, while another one is open, that it will follow. */
export type Asked = { execution: Execution } | { queued: true }

/**
 * Runs a task now, whatever its schedule, also while it is paused. While an execution is open: `conflict`, or, with `queue`,
 * one run that follows it with the next tick, however often it is asked for. Throws `not_found`.
 */
export async function runNow(sql: Database, taskId: number, overlap: 'refuse' | 'queue'): Promise<Asked> {
  const execution = await insertRun(sql, { taskId, trigger: 'manual', rerunOf: null })
  if (execution) return { execution: await startAtOnce(sql, execution) }
  if (overlap === 'refuse') throw new AppError('conflict', `task ${taskId} has an open execution`)
  const queued = await sql`
    update tasks set run_queued_at = coalesce(run_queued_at, now()) where id = ${taskId}`
  if (queued.count === 0) throw notFound('task', taskId)
  return { queued: true }
}

/** Runs the task of an execution that has ended once more. Throws `not_found`, and `conflict` while one is open. */
export async function rerun(sql: Database, executionId: number): Promise<Execution> {
  const [ended] = await sql<[{ task_id: number }?]>`
    select task_id from executions where id = ${executionId}::bigint`
  if (!ended) throw notFound('execution', executionId)
  const execution = await insertRun(sql, { taskId: ended.task_id, trigger: 'rerun', rerunOf: executionId })
  if (!execution) throw new AppError('conflict', `task ${ended.task_id} has an open execution`)
  return await startAtOnce(sql, execution)
}

type Run = { taskId: number; trigger: 'manual' | 'rerun'; rerunOf: number | null }

/** Undefined while an execution of the task is open: the unique index on open ones decides, so two can't slip in. */
async function insertRun(sql: Queryable, { taskId, trigger, rerunOf }: Run): Promise<Execution | undefined> {
  const [execution] = await sql<[Execution?]>`
    with e as (
      insert into executions (task_id, scheduled_for, due_at, trigger, status, rerun_of)
      select id, now(), now(), ${trigger}, 'queued', ${rerunOf}::bigint
      from tasks
      where id = ${taskId}::bigint
      for key share
      on conflict do nothing
      returning *
    )
    select ${executionColumns(sql)} from e`
  if (execution) return execution
  const [task] = await sql`select from tasks where id = ${taskId}::bigint`
  if (!task) throw notFound('task', taskId)
  return undefined
}

/** Not for the next tick, if this process can hand it over; else a tick finds it, so a failure costs nothing but time. */
async function startAtOnce(sql: Database, execution: Execution): Promise<Execution> {
  try {
    const invoke = currentInvoke()
    if ((await invoke.capacity()) <= 0) return execution
    const claim = await claimOne(sql, execution.id, config().leaseSeconds)
    if (claim.executionIds.length > 0) await handOver(sql, invoke, claim)
  } catch (error) {
    logger.warn('a run waits for the next tick', { execution_id: execution.id, error: error as Error })
  }
  return execution
}

/** Lets the runs follow that were asked for while another was open, once that has ended. */
export async function releaseQueuedRuns(sql: Queryable): Promise<void> {
  await sql`
    with ready as (
      select t.id
      from tasks t
      where t.run_queued_at is not null
        and not exists (
          select from executions e where e.task_id = t.id and e.status in ('queued', 'running')
        )
      for update of t skip locked
    ),
    inserted as (
      insert into executions (task_id, scheduled_for, due_at, trigger, status)
      select id, now(), now(), 'manual', 'queued' from ready
      on conflict do nothing
      returning task_id
    )
    update tasks set run_queued_at = null from inserted where id = inserted.task_id`
}
