import type { Queryable } from '../db.ts'
import { notFound } from '../errors.ts'
import { type Execution, executionColumns } from './execution.ts'

/** Throws `not_found`. */
export async function getExecution(sql: Queryable, id: number): Promise<Execution> {
  const [execution] = await sql<[Execution?]>`
    select ${executionColumns(sql)} from executions e where e.id = ${id}::bigint`
  if (!execution) throw notFound('execution', id)
  return execution
}
