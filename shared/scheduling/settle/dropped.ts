import type { Queryable } from '../../db.ts'
import { logger } from '../../logger.ts'
import { warnOfEach } from '../../warn-of-each.ts'
import type { ClaimedExecution } from '../claim/claim.ts'
import type { Settlement } from './settle.ts'

/** What the database says about an execution that lost its claim. */
type Found = {
  id: number
  /** Its status in the ledger; null if it isn't there. */
  ended: string | null
  /** Whether it was handed back, and is waiting for the next claim. */
  is_handed_back: boolean
  /** Whether its task was deleted. */
  is_deleted: boolean
}

/**
 * Returns the execution ids of the settlements that were written after all, by an earlier statement whose response was
 * lost. Logs what happened to the others. Never throws.
 */
export async function explain(sql: Queryable, missing: Settlement[]): Promise<Set<number>> {
  const executions = missing.map(({ execution }) => execution)
  const found = await find(sql, executions).catch(() => null)
  const written = new Set(
    missing.filter(({ execution, outcome }) => isWritten(found?.get(execution.id), outcome.status)).map(idOf),
  )
  report(
    executions.filter(({ id }) => !written.has(id)),
    found,
  )
  return written
}

/** Logs what happened to executions that lost their claim while running. Never throws. */
export async function reportDropped(sql: Queryable, executions: ClaimedExecution[]): Promise<void> {
  report(executions, await find(sql, executions).catch(() => null))
}

const idOf = ({ execution }: Settlement): number => execution.id

const isWritten = (found: Found | undefined, status: string): boolean =>
  status === 'handed_back' ? found?.is_handed_back === true : found?.ended === status

/** Logs discarded outcomes. A deleted task isn't worth a warning, since someone deleted it on purpose. */
function report(dropped: ClaimedExecution[], found: Map<number, Found> | null): void {
  const isDeleted = ({ id }: ClaimedExecution): boolean => found?.get(id)?.is_deleted ?? false
  const deleted = dropped.filter(isDeleted)
  if (deleted.length > 0)
    logger.info('outcomes discarded: their tasks were deleted', { count: deleted.length })
  warnOfEach(
    'outcome discarded: its worker no longer holds the claim',
    dropped
      .filter((it) => !isDeleted(it))
      .map(({ id, task_id, task, attempt }) => ({
        execution_id: id,
        task_id,
        task_name: task.name,
        attempt,
      })),
  )
}

async function find(sql: Queryable, executions: ClaimedExecution[]): Promise<Map<number, Found>> {
  const rows = await sql<Found[]>`
    select c.execution_id as id, e.status as ended,
      coalesce(s.execution_id = c.execution_id and s.status = 'queued', false) as is_handed_back,
      s.task_id is null as is_deleted
    from unnest(
      ${executions.map((it) => it.id)}::bigint[], ${executions.map((it) => it.task_id)}::int[]
    ) as c (execution_id, task_id)
    left join executions e on e.id = c.execution_id
    left join task_state s on s.task_id = c.task_id`
  return new Map(rows.map((row) => [row.id, row]))
}
