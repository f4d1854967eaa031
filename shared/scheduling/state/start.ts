import { type Queryable, reusable } from '../../db.ts'
import { fenced, type Held } from './fence.ts'

/** An execution that starts in so many milliseconds. A start may be written a little ahead of its instant. */
export type Starting = {
  execution: Held
  inMs: number
  /** This worker has tried before and got no answer. That start counts, since nobody else has the claim. */
  mayBeStarted?: boolean
}

const fence = reusable((sql) => fenced(sql, 'queued', sql`c.claim_id`, sql`c.also`))

/**
 * Starts claimed executions, fenced. Returns those that started. The claims of the others have passed on: cancelled,
 * withdrawn, expired, or delivered twice. It doesn't return ids, since an execution that was freed and claimed again
 * may be in `starting` under both claims.
 */
export async function start(sql: Queryable, starting: Starting[]): Promise<Set<Held>> {
  const [{ places }] = await sql<[{ places: number[] | null }]>`
    with started as (
      update task_state s
      set status = 'running', started_at = now() + c.in_ms * interval '1 ms',
        -- Set already, it was handed back and runs on: its first start counts.
        busy_from = case
          when s.attempt = 1 and s.started_at is null then now() + c.in_ms * interval '1 ms'
          else s.busy_from
        end
      from unnest(
        ${starting.map(({ execution }) => execution.task_id)}::int[],
        ${starting.map(({ execution }) => execution.id)}::bigint[],
        ${starting.map(({ execution }) => execution.claim_id)}::uuid[],
        ${starting.map(({ inMs }) => inMs)}::float8[],
        ${starting.map(({ mayBeStarted }) => (mayBeStarted ? 'running' : 'queued'))}::text[]
      ) with ordinality as c (task_id, execution_id, claim_id, in_ms, also, place)
      where ${fence(sql)}
      returning c.place
    )
    select json_agg(place) as places from started`
  return new Set(places?.map((place) => (starting[place - 1] as Starting).execution))
}
