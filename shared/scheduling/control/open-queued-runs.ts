import type { Queryable } from '../../db.ts'
import { noRunQueued, openedManually } from '../state/open.ts'

/** Maximum number of runs that one tick opens. The rest wait for the next tick. */
const OPENED_PER_TICK = 1000

/** Opens the manual runs that were requested while another execution was open, once that execution has ended. */
export async function openQueuedRuns(sql: Queryable): Promise<void> {
  await sql`
    with ready as (
      select task_id from task_state
      where run_queued_at is not null and status is null
      order by run_queued_at
      limit ${OPENED_PER_TICK}
      for no key update skip locked
    )
    update task_state s
    set ${openedManually(sql, 'manual', sql`null`)}, ${noRunQueued(sql)}
    from ready
    where s.task_id = ready.task_id`
}
