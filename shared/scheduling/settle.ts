import { type Database, type Queryable, retryDeadlock } from '../db.ts'
import { runnerOf } from '../runners/index.ts'
import { freed } from './give-back.ts'
import type { Outcome, Result } from './outcome.ts'
import { toRecord } from './record.ts'
import type { Started } from './start.ts'

export type Settlement = { execution: Started; outcome: Outcome }

/**
 * Writes how executions ended, fenced on their claim, with the next attempt of those that are tried again, and the effects
 * that belong to the same transaction. Gives the ids that were settled: what is missing had lost its claim, and
 * nothing of it was written.
 */
export async function settle(sql: Database, settlements: Settlement[]): Promise<Set<number>> {
  const handed = settlements.filter(({ outcome }) => outcome.status === 'handed_back')
  const ended = settlements.filter(({ outcome }) => outcome.status !== 'handed_back')
  const given = handed.length > 0 ? await handBack(sql, handed) : []
  const written = ended.some(touchesTask)
    ? await writeWithTasks(sql, ended)
    : await write(sql, ended, new Map())
  return new Set([...given, ...written])
}

/** Most settlements write their own row and nothing else. */
const touchesTask = (settlement: Settlement): boolean =>
  hasCommit(settlement) || failedForGood(settlement) || endsFailures(settlement)

function hasCommit({ execution, outcome }: Settlement): boolean {
  return outcome.status === 'success' && runnerOf(execution.type)?.commit !== undefined
}

const failedForGood = ({ outcome }: Settlement): boolean =>
  (outcome.status === 'failed' || outcome.status === 'timeout') && outcome.retryInSeconds === undefined

const endsFailures = ({ execution, outcome }: Settlement): boolean =>
  outcome.status === 'success' && execution.consecutive_failures > 0

async function writeWithTasks(sql: Database, settlements: Settlement[]): Promise<number[]> {
  return await retryDeadlock(() =>
    sql.begin(async (tx) => {
      const held = await lockHeld(tx, settlements)
      const still = settlements.filter(({ execution }) => held.has(execution.id))
      const written = await write(tx, still, await commitEffects(tx, still.filter(hasCommit)))
      await countFailures(tx, still)
      return written
    }),
  )
}

/** Pauses a task whose occurrences have failed as often in a row as `pause_after_failures` says. */
async function countFailures(tx: Queryable, settlements: Settlement[]): Promise<void> {
  const taskIds = (of: (settlement: Settlement) => boolean) =>
    settlements.filter(of).map((it) => it.execution.task_id)
  const failing = taskIds((it) => failedForGood(it) && it.execution.trigger === 'schedule')
  if (failing.length > 0) {
    await tx`
      update tasks
      set consecutive_failures = consecutive_failures + 1,
        version = version + tired::int,
        paused_at = case when tired then coalesce(paused_at, now()) else paused_at end,
        paused_until = case when tired then null else paused_until end,
        pause_reason = case
          when tired and paused_at is null then 'failed ' || (consecutive_failures + 1) || ' times in a row'
          else pause_reason
        end
      from (
        select id as task_id, coalesce(consecutive_failures + 1 >= pause_after_failures, false) as tired
        from tasks
        where id = any(${failing}::int[])
      ) judged
      where id = task_id`
  }
  const recovered = taskIds(endsFailures)
  if (recovered.length > 0) {
    await tx`update tasks set consecutive_failures = 0 where id = any(${recovered}::int[])`
  }
}

/** The fence of a settlement with effects: the claim must hold until the effect is committed with it. */
async function lockHeld(tx: Queryable, settlements: Settlement[]): Promise<Set<number>> {
  const rows = await tx<{ id: number }[]>`
    select e.id
    from executions e
    join unnest(${idsOf(settlements)}::bigint[], ${claimsOf(settlements)}::uuid[]) as s (id, claim_id)
      on e.id = s.id and e.claim_id = s.claim_id
    where e.status = 'running'
    order by e.id
    for update of e`
  return new Set(rows.map((row) => row.id))
}

/** Gives the results by execution id. */
async function commitEffects(tx: Queryable, settlements: Settlement[]): Promise<Map<number, Result>> {
  const results = new Map<number, Result>()
  for (const [type, group] of Map.groupBy(settlements, ({ execution }) => execution.type)) {
    const byTask = await runnerOf(type)?.commit?.(
      tx,
      group.map(({ execution }) => execution.task_id),
    )
    for (const { execution } of group) results.set(execution.id, byTask?.get(execution.task_id) ?? {})
  }
  return results
}

async function write(
  sql: Queryable,
  settlements: Settlement[],
  committed: Map<number, Result>,
): Promise<number[]> {
  if (settlements.length === 0) return []
  const records = settlements.map(({ execution, outcome }) => toRecord(outcome, committed.get(execution.id)))
  const rows = await sql<{ id: number }[]>`
    with settled as (
      update executions e
      set status = s.status, detail = s.detail, result = s.result::jsonb, finished_at = now(),
        lease_expires_at = null
      from unnest(
        ${idsOf(settlements)}::bigint[],
        ${claimsOf(settlements)}::uuid[],
        ${settlements.map(({ outcome }) => outcome.status)}::text[],
        ${records.map(({ detail }) => detail)}::text[],
        ${records.map(({ result }) => result)}::text[],
        ${settlements.map(({ outcome }) => retryIn(outcome))}::float8[]
      ) as s (id, claim_id, status, detail, result, retry_in)
      where e.id = s.id and e.claim_id = s.claim_id and e.status = 'running'
      returning e.id, e.task_id, e.scheduled_for, e.attempt, e.trigger, e.rerun_of, e.cancel_requested_at, s.retry_in
    ),
    again as (
      insert into executions (task_id, scheduled_for, attempt, trigger, rerun_of, status, due_at)
      select task_id, scheduled_for, attempt + 1, trigger, rerun_of, 'queued',
        now() + make_interval(secs => retry_in)
      from settled
      join tasks t on t.id = task_id
      where retry_in is not null and cancel_requested_at is null
        and (t.paused_at is null or trigger <> 'schedule')
    )
    select id from settled`
  return rows.map((row) => row.id)
}

const retryIn = (outcome: Outcome): number | null =>
  'retryInSeconds' in outcome ? (outcome.retryInSeconds ?? null) : null

/** The same execution, free for the next claim. */
async function handBack(sql: Queryable, settlements: Settlement[]): Promise<number[]> {
  const rows = await sql<{ id: number }[]>`
    update executions e
    set ${freed(sql)}
    from unnest(${idsOf(settlements)}::bigint[], ${claimsOf(settlements)}::uuid[]) as s (id, claim_id)
    where e.id = s.id and e.claim_id = s.claim_id and e.status = 'running'
    returning e.id`
  return rows.map((row) => row.id)
}

const idsOf = (settlements: Settlement[]): number[] => settlements.map(({ execution }) => execution.id)
const claimsOf = (settlements: Settlement[]): string[] =>
  settlements.map(({ execution }) => execution.claim_id)
