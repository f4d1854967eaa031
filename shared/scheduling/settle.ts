import { type Database, type Queryable, retryDeadlock } from '../db.ts'
import type { Runner } from '../runners/runner.ts'
import type { Claimed } from './claimed.ts'
import { LATE_REASONS, type LateReason } from './late.ts'
import type { Outcome, Result } from './outcome.ts'
import { type Kept, toRecord } from './record.ts'
import { ended, ranUntilNow } from './state/end.ts'
import { fenced, held } from './state/fence.ts'
import { handBack } from './state/hand-back.ts'
import { intoLedger, ledgerColumns } from './state/ledger.ts'
import { pausedItself } from './state/pause-itself.ts'
import { type Again, queueAgain } from './state/queue-again.ts'

export type Settlement = {
  execution: Claimed
  outcome: Outcome
  /** What the ledger will have of it, unless an effect gives it a result; made from the outcome when left out. */
  record?: Kept
  /** Why it began late; in time when left out. */
  lateReason?: LateReason | null
  /** Milliseconds from the start that the database has to the real one, when that is a second or more; else 0, or left out. */
  sinceStartMs?: number
}

/** A claim that a process is done with, and how many executions of it have ended once this is written, when that is as many as it was given. */
export type DoneClaim = { id: string; ends: number | null }

/** What a settlement wrote. */
export type Settled = {
  /** Ids of the executions that ended; the claim of the others had passed on, and nothing was written of them. */
  ids: Set<number>
  /** The claims that went. */
  gone: Set<string>
}

/**
 * Writes how executions ended, fenced on their claim: into the ledger, with the next attempt of those that are tried again and
 * the effects that belong to the same transaction. Removes those of `doneClaims` of which the database knows nothing open any
 * more: what a process believes to be done is only a reason to look.
 */
export async function settle(
  sql: Database,
  settlements: Settlement[],
  doneClaims: DoneClaim[] = [],
): Promise<Settled> {
  const byTask = settlements.toSorted((a, b) => a.execution.task_id - b.execution.task_id)
  const handed = byTask.filter(({ outcome }) => outcome.status === 'handed_back')
  const over = byTask.filter(({ outcome }) => outcome.status !== 'handed_back')
  if (handed.length === 0 && !over.some(takesMore)) {
    return await retryDeadlock(() => write(sql, over, new Map(), doneClaims))
  }
  return await retryDeadlock(() =>
    sql.begin(async (tx) => {
      const given = await handBackAll(tx, handed)
      const held = await lockHeld(tx, over)
      const still = over.filter(({ execution }) => held.has(execution.id))
      const written = await write(tx, still, await commitEffects(tx, still.filter(hasCommit)), doneClaims)
      await queueAgain(tx, still.flatMap(nextAttempt))
      return { ids: new Set([...given, ...written.ids]), gone: written.gone }
    }),
  )
}

async function handBackAll(tx: Queryable, handed: Settlement[]): Promise<number[]> {
  if (handed.length === 0) return []
  return await handBack(
    tx,
    handed.map(({ execution }) => execution),
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
  doneClaims: DoneClaim[],
): Promise<Settled> {
  if (settlements.length === 0 && doneClaims.length === 0) return { ids: new Set(), gone: new Set() }
  const claimIds = [...new Set(settlements.map(({ execution }) => execution.claim_id))]
  const numbers = new Map(claimIds.map((id, index) => [id, index + 1]))
  const records = settlements.map(({ execution, outcome, record }) => {
    const result = committed.get(execution.id)
    return record && !result ? record : toRecord(outcome, result)
  })
  const isTired = sql`s.consecutive_failures + 1 >= c.pause_at`
  const [{ ids, gone }] = await sql<[{ ids: number[] | null; gone: string[] | null }]>`
    with ended as (
      update task_state s
      set ${ended(sql)}, ${ranUntilNow(sql)},
        consecutive_failures = case
          when c.outcome = 'success' then 0
          when c.pause_at is not null then s.consecutive_failures + 1
          else s.consecutive_failures
        end,
        ${pausedItself(sql, isTired, sql`'failed ' || (s.consecutive_failures + 1) || ' times in a row'`)}
      from unnest(
        ${tasksOf(settlements)}::int[],
        ${settlements.map(({ execution }) => execution.id)}::bigint[],
        ${settlements.map(({ execution }) => numbers.get(execution.claim_id) ?? null)}::int[],
        ${settlements.map(({ outcome }) => outcome.status)}::text[],
        ${records.map(({ detail }) => detail)}::text[],
        ${records.map(({ result }) => result)}::text[],
        ${settlements.map(({ sinceStartMs }) => sinceStartMs ?? 0)}::float8[],
        ${settlements.map(({ lateReason }) => (lateReason ? LATE_REASONS.indexOf(lateReason) + 1 : null))}::int[],
        ${settlements.map(pauseAt)}::int[]
      ) as c (task_id, execution_id, claim, outcome, detail, result, since_start_ms, late_reason, pause_at)
      where ${fenced(sql, 'running', sql`(${claimIds}::uuid[])[c.claim]`)}
      returning ${ledgerColumns(sql)}, c.outcome, c.detail, c.result, c.late_reason,
        s.started_at + c.since_start_ms * interval '1 ms' as began_at,
        s.consecutive_failures >= c.pause_at as tired
    ),
    recorded as (
      ${intoLedger(sql, { startedAt: sql`began_at`, lateReason: sql`late_reason` })}
    ),
    changed as (
      update tasks t set version = t.version + 1, updated_at = now() from ended where tired and t.id = ended.task_id
    ),
    -- Whoever has locked one of them (a heartbeat, recover) keeps it: that row goes with a later look, or with its lease.
    done as (
      select c.id, c.task_ids, d.ends
      from unnest(
        ${doneClaims.map(({ id }) => id)}::uuid[], ${doneClaims.map(({ ends }) => ends)}::int[]
      ) as d (id, ends)
      join claims c on c.id = d.id
      for update of c skip locked
    ),
    gone as (
      delete from claims c
      using done d
      where c.id = d.id and (
        -- All that the claim names has ended, in this statement and in those before it; else each of its tasks is looked up.
        (coalesce(cardinality(d.task_ids) = d.ends, false) and (select count(*) from ended) = ${settlements.length})
        or not exists (
          select from task_state s
          where s.task_id = any(d.task_ids) and s.claim_id = d.id and s.status is not null
            and s.execution_id not in (select execution_id from ended)
        )
      )
      returning c.id
    )
    select json_agg(execution_id) as ids, (select json_agg(id) from gone) as gone from ended`
  return { ids: new Set(ids), gone: new Set(gone) }
}

/** No task fails as often. */
const NEVER = 2 ** 31 - 1

/** Returns at how many failures in a row its task is paused; null for what is no failure: only the last attempt of an occurrence of the schedule counts. */
function pauseAt({ execution, outcome }: Settlement): number | null {
  const hasFailed = outcome.status === 'failed' || outcome.status === 'timeout'
  if (!hasFailed || execution.trigger !== 'schedule' || retryIn(outcome) !== null) return null
  return execution.task.pause_after_failures ?? NEVER
}

function nextAttempt({ execution, outcome }: Settlement): Again[] {
  const inSeconds = retryIn(outcome)
  return inSeconds === null ? [] : [{ id: execution.id, task_id: execution.task_id, inSeconds, failed: true }]
}

const tasksOf = (settlements: Settlement[]): number[] => settlements.map(({ execution }) => execution.task_id)
