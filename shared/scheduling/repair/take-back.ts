import { type Database, type Queryable, retryDeadlock } from '../../db.ts'
import { logger } from '../../logger.ts'
import { SILENT } from '../state/lose.ts'
import { pausedByLoss, resumedWhere, touch } from '../state/pause-itself.ts'
import { requeue } from '../state/requeue.ts'

/** What the ledger says of a lost execution whose worker turned out to live. */
const CUT_OFF = 'its worker could not reach the database: its lease ran out'

/** What a worker gave up since it could not reach the database to renew its leases. */
export type GivenUp = { claimIds: string[]; executionIds: number[] }

/**
 * Takes back that the loss of these executions counts for `crash_limit`, and the pauses that came of it: what they run took no worker
 * down. Losses that are still to be found won't count either. May be called again. Returns how many tasks go on.
 */
export async function takeBackLosses(sql: Database, { claimIds, executionIds }: GivenUp): Promise<number> {
  return await retryDeadlock(() =>
    sql.begin(async (tx) => {
      // First: recover holds such a row until its losses are committed, and the next statement sees those.
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
        logger.warn('task goes on: its worker had not crashed, but could not reach the database', { task_id })
      }
      return resumed.length
    }),
  )
}

/** The detail in the ledger tells what was taken back already. Returns the executions whose tasks had paused themselves for them. */
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
