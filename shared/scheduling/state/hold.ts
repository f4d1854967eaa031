import type { Queryable } from '../../db.ts'

/** Claims queued executions that no claim holds. The rows must be locked. */
export async function hold(
  tx: Queryable,
  claim: { id: string; workerId: string; taskIds: number[]; leaseSeconds: number },
): Promise<void> {
  await tx`
    with claimed as (
      insert into claims (id, lease_expires_at, task_ids, worker_id)
      values (
        ${claim.id}, now() + make_interval(secs => ${claim.leaseSeconds}), ${claim.taskIds}::int[], ${claim.workerId}
      )
    )
    update task_state s
    set claim_id = ${claim.id}, unheld_due_at = null
    where s.task_id = any(${claim.taskIds}::int[]) and s.unheld_due_at is not null`
}
