import type { Queryable } from '../../db.ts'
import { ended, ranUntil } from './end.ts'
import { fenced, type Held, held } from './fence.ts'
import { intoLedger, ledgerColumns } from './ledger.ts'

/** The ledger's detail for an execution whose worker went silent. */
export const SILENT = 'the worker went silent: its lease ran out'

/** A held execution. `blameless`: its loss doesn't count toward `crash_limit`. */
export type Losable = Held & { blameless: boolean }

export type Lost = {
  id: number
  task_id: number
  task_name: string
  attempt: number
  /** Whether its occurrence was lost more times than its task's `crash_limit` allows. */
  gives_up: boolean
}

/** Ends running executions whose worker is gone. The write is fenced. Returns the executions that were still held. */
export async function lose(tx: Queryable, executions: Losable[]): Promise<Lost[]> {
  if (executions.length === 0) return []
  const blameless = executions.filter((it) => it.blameless).map((it) => it.id)
  return await tx<Lost[]>`
    with ended as (
      update task_state s
      set ${ended(tx)}, ${ranUntil(tx)}, losses = s.losses + (s.execution_id <> all(${blameless}::bigint[]))::int
      from ${held(tx, executions)}
      where ${fenced(tx, 'running')}
      returning ${ledgerColumns(tx)}, s.losses, 'lost' as outcome, ${SILENT} as detail, 'lost' as error_code,
        null as result
    ),
    recorded as (
      ${intoLedger(tx)} on conflict do nothing
    )
    select execution_id as id, task_id, t.name as task_name, ended.attempt,
      execution_id <> all(${blameless}::bigint[]) and losses > t.crash_limit as gives_up
    from ended
    join tasks t on t.id = task_id`
}
