import type { Queryable } from '../../db.ts'
import { type Claim, type ClaimedExecution, lastRunOf } from './claim.ts'
import type { ClaimMemory } from './claim-memory.ts'
import type { Definition } from './definition.ts'
import type { Definitions } from './definitions.ts'

type Row = Omit<ClaimedExecution, 'task' | 'lastRun'> & { definition: number; took_ms: number | null }

/**
 * Returns a claim's executions that haven't started, soonest first. `known`: the definitions of its tasks, or the
 * object that reads them.
 */
export async function loadClaimed(
  sql: Queryable,
  claimId: string,
  taskIds: number[],
  known: Map<number, Definition> | Definitions,
): Promise<ClaimedExecution[]> {
  const rows = await sql<Row[]>`
    select execution_id as id, claim_id, task_id, scheduled_for, trigger, attempt, due_at, null as started_at, next_run_at,
      failures, definition, (extract(epoch from busy_until - busy_from) * 1000)::float8 as took_ms
    from task_state
    where task_id = any(${taskIds}::int[]) and claim_id = ${claimId} and status = 'queued'
    order by due_at, task_id`
  const definitions = known instanceof Map ? known : (await known.read(sql, rows)).found
  return rows.flatMap(({ definition: _, took_ms, ...row }) => {
    const task = definitions.get(row.task_id)
    return task ? [{ ...row, lastRun: lastRunOf(took_ms), task }] : []
  })
}

/**
 * Loads the claim that an invocation's event names, makes this process its owner, and renews its lease, since the
 * invocation may have taken a long time to arrive. Returns the executions that haven't started, or none if the claim is
 * gone. The same claim may be delivered twice.
 */
export async function loadClaim(
  sql: Queryable,
  memory: ClaimMemory,
  { claimId: id, taskIds }: { claimId: string; taskIds: number[] },
  leaseSeconds: number,
): Promise<Claim> {
  const clock = await memory.clock.read(sql)
  const since = performance.now()
  const renewed = await sql`
    update claims
    set lease_expires_at = now() + make_interval(secs => ${leaseSeconds}), worker_id = ${memory.workerId}
    where id = ${id}`
  // If no row was updated, the claim is gone. Its executions have ended, or other workers may have claimed them.
  const executions = renewed.count > 0 ? await loadClaimed(sql, id, taskIds, memory.definitions) : []
  return { id, executions, clock, since, isExclusive: false }
}
