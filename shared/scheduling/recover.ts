import type { Database, Queryable } from '../db.ts'
import { intoLedger, ledgerColumns } from './ledger.ts'

export type Recovered = {
  /** Executions that were running when their worker went silent: `lost`, and queued again as the next attempt. */
  lost: number
  /** Executions that were claimed but never started: free to be claimed again. */
  freed: number
  /** Tasks whose occurrence took down its worker more often than their `crash_limit` allows. */
  paused: number
}

/** Finds the claims whose lease has run out, by the database's clock, and gives their executions back. */
export async function recover(sql: Database): Promise<Recovered> {
  return await sql.begin(async (tx) => {
    const expired = await takeExpired(tx)
    if (expired.length === 0) return { lost: 0, freed: 0, paused: 0 }
    const claims = expired.flatMap(({ id, task_ids }) => task_ids.map((taskId) => ({ id, taskId })))
    const freed = await freeUnstarted(tx, claims)
    const { lost, paused } = await loseRunning(tx, claims)
    return { freed, lost, paused }
  })
}

type Held = { id: string; taskId: number }

async function takeExpired(tx: Queryable): Promise<{ id: string; task_ids: number[] }[]> {
  return await tx<{ id: string; task_ids: number[] }[]>`
    delete from claims
    where id in (select id from claims where lease_expires_at <= now() for update skip locked)
    returning id, to_jsonb(task_ids) as task_ids`
}

const held = (tx: Queryable, claims: Held[]) => tx`
  unnest(${claims.map((it) => it.taskId)}::int[], ${claims.map((it) => it.id)}::uuid[]) as h (task_id, claim_id)`

async function freeUnstarted(tx: Queryable, claims: Held[]): Promise<number> {
  const rows = await tx`
    update task_state s
    set claim_id = null, unheld_due_at = s.due_at
    from ${held(tx, claims)}
    where s.task_id = h.task_id and coalesce(s.claim_id = h.claim_id and s.status = 'queued', false)
    returning s.task_id`
  return rows.length
}

/**
 * A lost execution always runs again, as the same occurrence, `crash_limit` times at most: with the next loss its
 * task is paused, since it is likely what takes the workers down.
 */
async function loseRunning(tx: Queryable, claims: Held[]): Promise<{ lost: number; paused: number }> {
  const rows = await tx<{ task_id: number; gives_up: boolean; stops: boolean }[]>`
    with ended as (
      update task_state s
      set status = null, losses = s.losses + 1, busy_until = greatest(now(), s.started_at)
      from ${held(tx, claims)}
      where s.task_id = h.task_id and coalesce(s.claim_id = h.claim_id and s.status = 'running', false)
      returning ${ledgerColumns(tx)}, s.losses, 0 as late_ms, 'lost' as outcome, 'the worker went silent: its lease ran out' as detail, null as result
    ),
    recorded as (
      ${intoLedger(tx)} on conflict do nothing
    )
    select task_id, losses > t.crash_limit as gives_up, cancel_requested_at is not null as stops
    from ended
    join tasks t on t.id = task_id`
  const tired = rows.filter((row) => row.gives_up).map((row) => row.task_id)
  const again = rows.filter((row) => !row.gives_up && !row.stops).map((row) => row.task_id)
  if (again.length > 0) await queueAgain(tx, again)
  if (tired.length > 0) await pauseTired(tx, tired)
  return { lost: rows.length, paused: tired.length }
}

async function queueAgain(tx: Queryable, taskIds: number[]): Promise<void> {
  await tx`
    update task_state
    set status = 'queued', execution_id = nextval('execution_ids'), attempt = attempt + 1, claim_id = null,
      started_at = null, due_at = now(), unheld_due_at = now()
    where task_id = any(${taskIds}::int[]) and status is null`
}

async function pauseTired(tx: Queryable, taskIds: number[]): Promise<void> {
  await tx`
    update task_state s
    set paused_at = coalesce(s.paused_at, now()), paused_until = null,
      pause_reason = 'one occurrence was lost ' || (t.crash_limit + 1) || ' times: more than its crash_limit'
    from tasks t
    where s.task_id = any(${taskIds}::int[]) and t.id = s.task_id`
  await tx`update tasks set version = version + 1, updated_at = now() where id = any(${taskIds}::int[])`
}
