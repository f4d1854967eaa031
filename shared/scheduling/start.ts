import type { Queryable } from '../db.ts'
import type { Claim } from './claim.ts'

/** What a worker needs to run an execution, as it was at its start. */
export type Started = {
  id: number
  claim_id: string
  task_id: number
  task_name: string
  type: string
  params: Record<string, unknown>
  /** Seconds; null takes the default. */
  timeout_seconds: number | null
  scheduled_for: Date
  trigger: string
  attempt: number
  due_at: Date
  started_at: Date
  /** Of its task, after this one. */
  next_run_at: Date | null
  max_attempts: number
  retry_backoff_seconds: number
  retry_max_backoff_seconds: number
  /** Of its task, before this one. */
  consecutive_failures: number
  /** How many attempts of this occurrence failed or timed out before. */
  failures: number
}

/**
 * Starts executions of a claim, fenced: those whose claim has passed on (cancelled, expired, delivered twice) are not among
 * what it gives. `leaseSeconds` counts from now.
 */
export async function start(
  sql: Queryable,
  { claimId, executionIds }: Pick<Claim, 'claimId' | 'executionIds'>,
  leaseSeconds: number,
): Promise<Started[]> {
  return await sql<Started[]>`
    update executions e
    set status = 'running', started_at = now(), lease_expires_at = now() + make_interval(secs => ${leaseSeconds})
    from tasks t
    where e.id = any(${executionIds}::bigint[])
      and e.claim_id = ${claimId}
      and e.status = 'queued'
      and t.id = e.task_id
    returning e.id, e.claim_id, e.task_id, t.name as task_name, t.type, t.params, t.timeout_seconds,
      e.scheduled_for, e.trigger, e.attempt, e.due_at, e.started_at, t.next_run_at, t.max_attempts, t.retry_backoff_seconds,
      t.retry_max_backoff_seconds, t.consecutive_failures,
      case when e.attempt = 1 then 0 else (
        select count(*)::int from executions f
        where f.task_id = e.task_id and f.scheduled_for = e.scheduled_for and f.trigger = e.trigger
          and f.status in ('failed', 'timeout')
      ) end as failures`
}
