import { type Database, type Queryable, retryDeadlock } from '../../db.ts'
import { logger } from '../../logger.ts'
import { SILENT } from '../state/lose.ts'
import { pausedByLoss, resumedWhere, touch } from '../state/pause-itself.ts'
import { requeue } from '../state/requeue.ts'

/** The ledger's detail for a lost execution whose worker turned out to be alive. */
const CUT_OFF = 'its worker could not reach the database: its lease ran out'

/** The claims that a worker gave up because it couldn't reach the database to renew them, and their executions. */
export type GivenUp = { claimIds: string[]; executionIds: number[] }

/**
 * Stops the losses of these claims from counting toward `crash_limit`, and ends the pauses that these losses caused,
 * since the tasks didn't crash the worker. If `recover` finds these claims later, their losses won't count either. Safe
 * to repeat. Returns how many tasks were resumed.
 */
export async function undoLosses(sql: Database, { claimIds, executionIds }: GivenUp): Promise<number> {
  return await retryDeadlock(() =>
    sql.begin(async (tx) => {
      // This must come first. If `recover` holds the lock on a claim, this statement waits until the losses are
      // committed, and the next statement sees them.
      await tx`update claims set blameless = true where id = any(${claimIds}::uuid[])`
      const resumed = await uncount(tx, executionIds)
      await touch(
        tx,
        resumed.map((it) => it.task_id),
      )
      await requeue(
        tx,
        resumed.map((it) => ({ ...it, inSeconds: 0, failed: false })),
      )
      for (const { task_id } of resumed) {
        logger.warn('task resumed: its worker had not crashed, but could not reach the database', { task_id })
      }
      return resumed.length
    }),
  )
}

/**
 * Removes losses from their tasks' counts, and ends the pauses that these losses caused. A loss that no longer counts
 * gets a different `detail`, so repeating this is safe. Returns the executions whose tasks were resumed.
 */
async function uncount(tx: Queryable, executionIds: number[]): Promise<{ id: number; task_id: number }[]> {
  return await tx<{ id: number; task_id: number }[]>`
    with uncounted as (
      update executions
      set detail = ${CUT_OFF}
      where id = any(${executionIds}::bigint[]) and status = 'lost' and detail = ${SILENT}
      returning id, task_id, scheduled_for, trigger
    ),
    locked as (
      select s.task_id, u.id, ${pausedByLoss(tx)} as resumes
      from uncounted u
      join task_state s on s.task_id = u.task_id
      where s.scheduled_for = u.scheduled_for and s.trigger = u.trigger
      order by s.task_id
      for no key update of s
    ),
    changed as (
      update task_state s
      set losses = greatest(0, s.losses - 1), ${resumedWhere(tx, tx`l.resumes`)}
      from locked l
      where s.task_id = l.task_id
      returning s.task_id, s.execution_id as id, l.resumes
    )
    select id, task_id from changed where resumes`
}
