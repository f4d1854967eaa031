import type { Queryable } from '../../db.ts'
import { fenced, type Held, held } from './fence.ts'
import { intoLedger, ledgerColumns } from './ledger.ts'
import { mayGoOn, PAUSED } from './requeue.ts'

/**
 * Frees running executions, so that they can be claimed again. Their attempt numbers stay the same, since a shutdown
 * isn't a failure. Executions that were asked to stop, or whose tasks are paused, end as cancelled instead. Returns the
 * ids of the executions that were still held.
 */
export async function handBack(sql: Queryable, executions: Held[]): Promise<number[]> {
  const rows = await sql<{ id: number }[]>`
    with ended as (
      update task_state s
      set status = case when ${mayGoOn(sql)} then 'queued' end,
        claim_id = null,
        unheld_due_at = case when ${mayGoOn(sql)} then s.due_at end,
        busy_until = now()
      from ${held(sql, executions)}
      where ${fenced(sql, 'running')}
      returning ${ledgerColumns(sql)}, 'cancelled' as outcome,
        case when s.cancel_requested_at is null then ${PAUSED} end as detail,
        case when s.cancel_requested_at is null then 'paused' else 'cancelled' end as error_code, null as result
    ),
    stopped as (
      ${intoLedger(sql, { which: sql`where status is null` })}
    )
    select execution_id as id from ended`
  return rows.map((row) => row.id)
}
