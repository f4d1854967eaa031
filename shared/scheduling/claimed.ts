import type { Queryable } from '../db.ts'

/** An execution in a worker's hands, with what it needs to run it. */
export type Claimed = {
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
  /** Set when it was started with its claim, since it was due then. */
  started_at: Date | null
  /** Of its task, after this one. */
  next_run_at: Date | null
  max_attempts: number
  retry_backoff_seconds: number
  retry_max_backoff_seconds: number
  pause_after_failures: number | null
  /** How many attempts of this occurrence failed or timed out before. */
  failures: number
}

/** The columns of a `Claimed`, for a statement that has `task_state` as `s` and `tasks` as `t`. */
const claimedColumns = (sql: Queryable) => sql`
  s.execution_id as id, s.claim_id, s.task_id, t.name as task_name, t.type, t.params, t.timeout_seconds,
  s.scheduled_for, s.trigger, s.attempt, s.due_at,
  case s.status when 'running' then s.started_at end as started_at, s.next_run_at, t.max_attempts,
  t.retry_backoff_seconds, t.retry_max_backoff_seconds, t.pause_after_failures, s.failures`

/** What a claim holds that has not started: for a worker that was told the ids only. */
export async function loadClaimed(sql: Queryable, claimId: string, taskIds: number[]): Promise<Claimed[]> {
  return await sql<Claimed[]>`
    select ${claimedColumns(sql)}
    from task_state s
    join tasks t on t.id = s.task_id
    where s.task_id = any(${taskIds}::int[]) and s.claim_id = ${claimId} and s.status = 'queued'
    order by s.due_at, s.task_id`
}
