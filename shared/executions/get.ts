import type { Queryable } from '../db.ts'
import { notFound } from '../errors.ts'
import { maybeOpen } from '../scheduling/state/ledger.ts'
import { type Execution, executionColumns, openColumns } from './execution.ts'

/**
 * Returns an execution. Checks the open executions first, so that an execution that ends between the two queries is
 * found in the ledger. Throws `not_found`.
 */
export async function getExecution(sql: Queryable, id: number): Promise<Execution> {
  const [open] = await sql<[Execution?]>`
    select ${openColumns(sql)}
    from ${maybeOpen(sql)}
    where s.execution_id = ${id}::bigint and s.status is not null`
  if (open) return open
  const [ended] = await sql<[Execution?]>`
    select ${executionColumns(sql)} from executions e where e.id = ${id}::bigint`
  if (!ended) throw notFound('execution', id)
  return ended
}
