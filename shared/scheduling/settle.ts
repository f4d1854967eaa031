import { type Database, type Queryable, retryDeadlock } from '../db.ts'
import type { Runner } from '../runners/runner.ts'
import type { Claimed } from './claimed.ts'
import { fenced, held } from './fence.ts'
import { handBack } from './give-back.ts'
import { intoLedger, ledgerColumns } from './ledger.ts'
import type { Outcome, Result } from './outcome.ts'
import { toRecord } from './record.ts'

export type Settlement = {
  execution: Claimed
  outcome: Outcome
  /** Milliseconds from the start that the database has to the real one; 0 when left out. */
  lateMs?: number
}

export type EndedClaim = { id: string; doubtful: boolean }

/**
 * Writes how executions ended, fenced on their claim: into the ledger, with the next attempt of those that are tried again,
 * and the effects that belong to the same transaction. Claims that end with them are named by `endedClaims`, and go; one that is doubtful only
 * when nothing else of it is open. Gives the ids that were settled: what is missing had lost its claim, and nothing of it was written.
 */
export async function settle(
  sql: Database,
  settlements: Settlement[],
  endedClaims: EndedClaim[] = [],
): Promise<Set<number>> {
  const byTask = settlements.toSorted((a, b) => a.execution.task_id - b.execution.task_id)
  const handed = byTask.filter(({ outcome }) => outcome.status === 'handed_back')
  const ended = byTask.filter(({ outcome }) => outcome.status !== 'handed_back')
  if (handed.length === 0 && !ended.some(takesMore)) {
    return new Set(await retryDeadlock(() => write(sql, ended, new Map(), endedClaims)))
  }
  return await retryDeadlock(() =>
    sql.begin(async (tx) => {
      const given =
        handed.length > 0
          ? await handBack(
              tx,
              handed.map(({ execution }) => execution),
            )
          : []
      const held = await lockHeld(tx, ended)
      const still = ended.filter(({ execution }) => held.has(execution.id))
      const written = await write(tx, still, await commitEffects(tx, still.filter(hasCommit)), endedClaims)
      await tryAgain(tx, still)
      return new Set([...given, ...written])
    }),
  )
}

/** Most settlements are one statement. */
const takesMore = (settlement: Settlement): boolean =>
  hasCommit(settlement) || retryIn(settlement.outcome) !== null

const hasCommit = (settlement: Settlement): boolean =>
  settlement.outcome.status === 'success' && runnerOf(settlement)?.commit !== undefined

const runnerOf = ({ execution: { task } }: Settlement): Runner | undefined =>
  'runner' in task.work ? task.work.runner : undefined

const retryIn = (outcome: Outcome): number | null =>
  'retryInSeconds' in outcome ? (outcome.retryInSeconds ?? null) : null

/** The fence of a settlement with effects: the claim must hold until the effect is committed with it. */
async function lockHeld(tx: Queryable, settlements: Settlement[]): Promise<Set<number>> {
  const rows = await tx<{ id: number }[]>`
    select s.execution_id as id
    from ${held(
      tx,
      settlements.map(({ execution }) => execution),
    )}
    join task_state s on ${fenced(tx, 'running')}
    order by s.task_id
    for no key update of s`
  return new Set(rows.map((row) => row.id))
}

/** Gives the results by execution id. */
async function commitEffects(tx: Queryable, settlements: Settlement[]): Promise<Map<number, Result>> {
  const results = new Map<number, Result>()
  for (const [runner, group] of Map.groupBy(settlements, runnerOf)) {
    const byTask = await runner?.commit?.(tx, tasksOf(group))
    for (const { execution } of group) results.set(execution.id, byTask?.get(execution.task_id) ?? {})
  }
  return results
}

/**
 * Ends executions and takes them over into the ledger. A task is paused whose occurrences have failed as often in a row as its
 * `pause_after_failures` says.
 */
async function write(
  sql: Queryable,
  settlements: Settlement[],
  committed: Map<number, Result>,
  endedClaims: EndedClaim[],
): Promise<number[]> {
  if (settlements.length === 0 && endedClaims.length === 0) return []
  const claimIds = [...new Set(claimsOf(settlements))]
  const numbers = new Map(claimIds.map((id, index) => [id, index + 1]))
  const doubtful = endedClaims.filter((it) => it.doubtful)
  const known = endedClaims.filter((it) => !it.doubtful)
  const records = settlements.map(({ execution, outcome }) => toRecord(outcome, committed.get(execution.id)))
  const [{ ids }] = await sql<[{ ids: number[] | null }]>`
    with ended as (
      update task_state s
      set status = null, busy_until = greatest(now(), s.started_at),
        consecutive_failures = case
          when c.outcome = 'success' then 0
          else s.consecutive_failures + c.fails
        end,
        paused_until = case when c.fails = 1 and s.consecutive_failures + 1 >= c.limit then null else s.paused_until end,
        pause_reason = case
          when c.fails = 1 and s.consecutive_failures + 1 >= c.limit and s.paused_at is null
            then 'failed ' || (s.consecutive_failures + 1) || ' times in a row'
          else s.pause_reason
        end,
        paused_at = case
          when c.fails = 1 and s.consecutive_failures + 1 >= c.limit then coalesce(s.paused_at, now())
          else s.paused_at
        end
      from unnest(
        ${tasksOf(settlements)}::int[],
        ${idsOf(settlements)}::bigint[],
        ${settlements.map(({ execution }) => numbers.get(execution.claim_id) ?? null)}::int[],
        ${settlements.map(({ outcome }) => outcome.status)}::text[],
        ${records.map(({ detail }) => detail)}::text[],
        ${records.map(({ result }) => result)}::text[],
        ${settlements.map(({ lateMs }) => Math.round(lateMs ?? 0))}::float8[],
        ${settlements.map((it) => (failsForGood(it) ? 1 : 0))}::int[],
        ${settlements.map(({ execution }) => execution.task.pause_after_failures)}::int[]
      ) as c (task_id, execution_id, claim, outcome, detail, result, late_ms, fails, "limit")
      where ${fenced(sql, 'running', sql`(${claimIds}::uuid[])[c.claim]`)}
      returning ${ledgerColumns(sql)}, c.outcome, c.detail, c.result, c.late_ms,
        c.fails = 1 and s.consecutive_failures >= c.limit as tired
    ),
    recorded as (
      ${intoLedger(sql)}
    ),
    changed as (
      update tasks t set version = t.version + 1, updated_at = now() from ended where tired and t.id = ended.task_id
    ),
    gone as (
      delete from claims c
      where c.id = any(${known.map(({ id }) => id)}::uuid[])
        or c.id = any(${doubtful.map(({ id }) => id)}::uuid[]) and not exists (
          select from task_state s
          where s.task_id = any(c.task_ids) and s.claim_id = c.id and s.status is not null
            and s.execution_id <> all(${idsOf(settlements)}::bigint[])
        )
    )
    select json_agg(execution_id) as ids from ended`
  return ids ?? []
}

/** Counts for `pause_after_failures`: the last attempt of an occurrence of the schedule. */
const failsForGood = ({ execution, outcome }: Settlement): boolean =>
  (outcome.status === 'failed' || outcome.status === 'timeout') &&
  execution.trigger === 'schedule' &&
  retryIn(outcome) === null

/** The next attempts, unless the run was asked to stop, or its task was paused meanwhile. */
async function tryAgain(tx: Queryable, settlements: Settlement[]): Promise<void> {
  const again = settlements.filter(({ outcome }) => retryIn(outcome) !== null)
  if (again.length === 0) return
  await tx`
    update task_state s
    set status = 'queued', execution_id = nextval('execution_ids'), attempt = s.attempt + 1,
      failures = s.failures + 1, claim_id = null, started_at = null,
      due_at = now() + make_interval(secs => o.retry_in), unheld_due_at = now() + make_interval(secs => o.retry_in)
    from unnest(
      ${tasksOf(again)}::int[], ${idsOf(again)}::bigint[], ${again.map(({ outcome }) => retryIn(outcome))}::float8[]
    ) as o (task_id, execution_id, retry_in)
    where s.task_id = o.task_id and coalesce(s.execution_id = o.execution_id and s.status is null, false)
      and s.cancel_requested_at is null and (s.paused_at is null or s.trigger <> 'schedule')`
}

const tasksOf = (settlements: Settlement[]): number[] => settlements.map(({ execution }) => execution.task_id)
const idsOf = (settlements: Settlement[]): number[] => settlements.map(({ execution }) => execution.id)
const claimsOf = (settlements: Settlement[]): string[] =>
  settlements.map(({ execution }) => execution.claim_id)
