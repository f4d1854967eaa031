import { type Queryable, reusable } from '../../db.ts'
import { byKey, fenced, type Held } from './fence.ts'

/** An execution that starts in `inMs` milliseconds. The start may be recorded shortly before it happens. */
export type Starting = {
  execution: Held
  inMs: number
  /**
   * Whether this worker has tried to start it before and got no response. If that start was written, it counts, since
   * no other worker holds the claim.
   */
  mayBeStarted?: boolean
}

const fence = reusable((sql) => fenced(sql, 'queued', sql`c.claim_id`, sql`c.also`))

/**
 * Starts claimed executions. The write is fenced. Returns the executions that started. The others had lost their
 * claims: they were cancelled or withdrawn, their lease had expired, or the claim was delivered twice. Returns the
 * objects rather than their ids, since an execution that was freed and claimed again may be in `starting` under both
 * claims.
 */
export async function start(sql: Queryable, starting: Starting[]): Promise<Set<Held>> {
  const taskIds = starting.map(({ execution }) => execution.task_id)
  const [{ places }] = await sql<[{ places: number[] | null }]>`
    with started as (
      update task_state s
      set status = 'running', started_at = now() + c.in_ms * interval '1 ms',
        -- If started_at is set, the execution was handed back and now continues: its first start counts.
        busy_from = case
          when s.attempt = 1 and s.started_at is null then now() + c.in_ms * interval '1 ms'
          else s.busy_from
        end
      from unnest(
        ${taskIds}::int[],
        ${starting.map(({ execution }) => execution.id)}::bigint[],
        ${starting.map(({ execution }) => execution.claim_id)}::uuid[],
        ${starting.map(({ inMs }) => inMs)}::float8[],
        ${starting.map(({ mayBeStarted }) => (mayBeStarted ? 'running' : 'queued'))}::text[]
      ) with ordinality as c (task_id, execution_id, claim_id, in_ms, also, place)
      where ${fence(sql)} ${byKey(sql, taskIds)}
      returning c.place
    )
    select json_agg(place) as places from started`
  return new Set(places?.map((place) => (starting[place - 1] as Starting).execution))
}
