import type { Database, Queryable } from '../db.ts'

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
  const [expired] = await sql<[{ some: boolean }]>`
    select exists (
      select from executions where status in ('queued', 'running') and lease_expires_at <= now()
    ) as some`
  if (!expired.some) return { lost: 0, freed: 0, paused: 0 }
  return await sql.begin(async (tx) => {
    const freed = await freeUnstarted(tx)
    const { lost, paused } = await loseRunning(tx)
    return { lost, freed, paused }
  })
}

async function freeUnstarted(tx: Queryable): Promise<number> {
  const rows = await tx`
    update executions
    set claim_id = null, lease_expires_at = null
    where id in (
      select id from executions
      where status = 'queued' and lease_expires_at <= now()
      for update skip locked
    )
    returning id`
  return rows.length
}

/**
 * A lost execution always runs again, as the same occurrence, `crash_limit` times at most: with the next loss its
 * task is paused, since it is likely what takes the workers down.
 */
async function loseRunning(tx: Queryable): Promise<{ lost: number; paused: number }> {
  const rows = await tx<{ task_id: number; gives_up: boolean }[]>`
    with lost as (
      update executions
      set status = 'lost', finished_at = now(), lease_expires_at = null,
        detail = 'the worker went silent: its lease ran out'
      where id in (
        select id from executions
        where status = 'running' and lease_expires_at <= now()
        for update skip locked
      )
      returning id, task_id, scheduled_for, attempt, trigger, rerun_of, cancel_requested_at
    ),
    counted as (
      select lost.*, (
        select count(*) from executions e
        where e.task_id = lost.task_id and e.scheduled_for = lost.scheduled_for and e.trigger = lost.trigger
          and e.status = 'lost' and e.id <> lost.id
      ) >= t.crash_limit as gives_up
      from lost
      join tasks t on t.id = lost.task_id
    ),
    again as (
      insert into executions (task_id, scheduled_for, attempt, trigger, rerun_of, status, due_at)
      select task_id, scheduled_for, attempt + 1, trigger, rerun_of, 'queued', now()
      from counted
      where not gives_up and cancel_requested_at is null
    )
    select task_id, gives_up from counted`
  const tired = rows.filter((row) => row.gives_up).map((row) => row.task_id)
  if (tired.length > 0) await pauseTired(tx, tired)
  return { lost: rows.length, paused: tired.length }
}

async function pauseTired(tx: Queryable, taskIds: number[]): Promise<void> {
  await tx`
    update tasks
    set paused_at = coalesce(paused_at, now()), paused_until = null, updated_at = now(), version = version + 1,
      pause_reason = 'one occurrence was lost ' || (crash_limit + 1) || ' times: more than its crash_limit'
    where id = any(${taskIds}::int[])`
}
