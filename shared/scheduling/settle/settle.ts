import { type Database, type Fragment, type Queryable, retryDeadlock, reusable, sparse } from '../../db.ts'
import type { Outcome, Result } from '../../runners/outcome.ts'
import type { Runner } from '../../runners/runner.ts'
import { type SetPools, SMALL_SET } from '../../set-pools.ts'
import { LATE_MS, noteLate } from '../../stats/late-settlements.ts'
import type { ClaimedExecution } from '../claim/claim.ts'
import { ended, ranUntil } from '../state/end.ts'
import { byKey, fenced, held } from '../state/fence.ts'
import { handBack } from '../state/hand-back.ts'
import { LATE_REASONS, type LateReason } from '../state/late-reason.ts'
import { intoLedger, ledgerColumns } from '../state/ledger.ts'
import { type PausedItself, pausedItself, reportPaused } from '../state/pause-itself.ts'
import { type Again, requeue } from '../state/requeue.ts'
import { type LedgerEntry, toLedgerEntry } from './ledger-entry.ts'

export type Settlement = {
  execution: ClaimedExecution
  outcome: Outcome
  /** Its ledger entry, unless the runner's `commit` hook returns a result. Default: made from the outcome. */
  entry?: LedgerEntry
  /** Why it began late. Default: it was on time. */
  lateReason?: LateReason | null
  /**
   * Milliseconds from the database's `started_at` to when the run actually began, if that is a second or more. Default:
   * 0.
   */
  sinceStartMs?: number
  /** When the run ended, on this process's monotonic clock (`performance.now()`). Default: now. */
  endedAt?: number
}

/**
 * A claim that this process is done with. `ends`: the number of executions in the claim, if all of them will have ended
 * once this settlement is written; otherwise null.
 */
export type DoneClaim = { id: string; ends: number | null }

/** What a settlement wrote. */
export type Settled = {
  /** Ids of the executions that ended. Nothing was written for the others, since they had lost their claims. */
  ids: Set<number>
  /** Ids of the claims that were removed. */
  gone: Set<string>
}

type Written = Settled & { paused: PausedItself[] }

/**
 * Writes how executions ended: ledger rows, retries, and the effects of the runners' `commit` hooks, all in one
 * transaction that is fenced by their claims. Removes the `doneClaims` that have no open execution left. `pools` has
 * faster connections for settlements that need only a single statement on a small set of rows. Without it, `sql` is
 * used for all of them.
 */
export async function settle(
  sql: Database,
  settlements: Settlement[],
  doneClaims: DoneClaim[] = [],
  pools?: SetPools,
): Promise<Settled> {
  const { paused, ...settled } = await retryDeadlock(() => settleOnce(sql, settlements, doneClaims, pools))
  reportPaused(paused)
  return settled
}

async function settleOnce(
  sql: Database,
  settlements: Settlement[],
  doneClaims: DoneClaim[],
  pools: SetPools | undefined,
): Promise<Written> {
  const byTask = settlements.toSorted((a, b) => a.execution.task_id - b.execution.task_id)
  const handed = byTask.filter(({ outcome }) => outcome.status === 'handed_back')
  const over = byTask.filter(({ outcome }) => outcome.status !== 'handed_back')
  if (handed.length === 0 && !over.some(takesMore)) {
    const isPlain = pools && !over.some(mayPause)
    const pool = isPlain ? pools.for(Math.max(over.length, doneClaims.length)) : sql
    return await write(pool, over, new Map(), doneClaims)
  }
  return await sql.begin(async (tx) => {
    const given = await handBackAll(tx, handed)
    const held = await lockHeld(tx, over)
    const still = over.filter(({ execution }) => held.has(execution.id))
    const written = await write(tx, still, await commitEffects(tx, still.filter(hasCommit)), doneClaims)
    await requeue(tx, still.flatMap(nextAttempt))
    return { ...written, ids: new Set([...given, ...written.ids]) }
  })
}

async function handBackAll(tx: Queryable, handed: Settlement[]): Promise<number[]> {
  if (handed.length === 0) return []
  return await handBack(
    tx,
    handed.map(({ execution }) => execution),
  )
}

/** Returns whether a settlement needs more than a single statement. Most don't. */
const takesMore = (settlement: Settlement): boolean =>
  hasCommit(settlement) || retryIn(settlement.outcome) !== null

const hasCommit = (settlement: Settlement): boolean =>
  settlement.outcome.status === 'success' && runnerOf(settlement)?.commit !== undefined

const runnerOf = ({ execution: { task } }: Settlement): Runner | undefined =>
  'runner' in task.work ? task.work.runner : undefined

const retryIn = (outcome: Outcome): number | null =>
  'retryInSeconds' in outcome ? (outcome.retryInSeconds ?? null) : null

/**
 * Locks the executions that are still held, since their claims must stay valid until the `commit` hooks are done.
 * Returns the ids of these executions.
 */
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

/** Runs the runners' `commit` hooks. Returns results by execution id. */
async function commitEffects(tx: Queryable, settlements: Settlement[]): Promise<Map<number, Result>> {
  const results = new Map<number, Result>()
  for (const [runner, group] of Map.groupBy(settlements, runnerOf)) {
    const byTask = await runner?.commit?.(tx, tasksOf(group))
    for (const { execution } of group) results.set(execution.id, byTask?.get(execution.task_id) ?? {})
  }
  return results
}

/**
 * Ends executions, copies them into the ledger, pauses tasks that failed too often, and removes claims that are done,
 * all in one statement.
 */
async function write(
  sql: Queryable,
  settlements: Settlement[],
  committed: Map<number, Result>,
  doneClaims: DoneClaim[],
): Promise<Written> {
  if (settlements.length === 0 && doneClaims.length === 0)
    return { ids: new Set(), gone: new Set(), paused: [] }
  // Most settlements don't need these parts, and planning them would take much of the server's time.
  const mayRemove = doneClaims.length > 0
  const mayChange = settlements.some(mayPause)
  type Row = { ids: number[] | null; gone: string[] | null; paused: PausedItself[] | null }
  const [{ ids, gone, paused }] = await sql<[Row]>`
    with ended as (${endAll(sql, settlements, committed)}),
    recorded as (${recorded(sql)})
    ${mayChange ? changed(sql) : nothing(sql)}
    ${settlements.some(mayBeLate) ? noteLate(sql) : nothing(sql)}
    ${mayRemove ? removeDone(sql, doneClaims, settlements.length) : nothing(sql)}
    select json_agg(execution_id) as ids, ${mayRemove ? goneIds(sql) : noIds(sql)} as gone,
      ${mayChange ? pausedTasks(sql) : noIds(sql)} as paused
    from ended`
  return { ids: new Set(ids), gone: new Set(gone), paused: paused ?? [] }
}

/**
 * Returns the update that ends executions. Its rows contain what the ledger needs, and `over_limit`, which says whether
 * the task's consecutive failures have reached its `pause_after_failures`.
 */
function endAll(sql: Queryable, settlements: Settlement[], committed: Map<number, Result>): Fragment {
  // Each claim id is sent only once. The rows refer to it by number.
  const claimIds = [...new Set(settlements.map(({ execution }) => execution.claim_id))]
  const numbers = new Map(claimIds.map((id, index) => [id, index + 1]))
  const entries = settlements.map(({ execution, outcome, entry }) => {
    const result = committed.get(execution.id)
    return entry && !result ? entry : toLedgerEntry(outcome, result)
  })
  const taskIds = tasksOf(settlements)
  return sql`
    update task_state s
    set ${endedOrPaused(sql)}
    from unnest(
      ${taskIds}::int[],
      ${settlements.map(({ execution }) => execution.id)}::bigint[],
      ${settlements.map(({ execution }) => numbers.get(execution.claim_id) ?? null)}::int[],
      ${settlements.map(({ outcome }) => outcome.status)}::text[],
      ${sparse(entries.map(({ detail }) => detail))}::text[],
      ${sparse(entries.map(({ errorCode }) => errorCode))}::text[],
      ${entries.map(({ result }) => result)}::text[],
      ${sparse(settlements.map(({ sinceStartMs }) => sinceStartMs || null))}::float8[],
      ${sparse(settlements.map((it) => sinceEndMs(it) || null))}::int[],
      ${sparse(settlements.map(({ lateReason }) => (lateReason ? LATE_REASONS.indexOf(lateReason) + 1 : null)))}::int[],
      ${sparse(settlements.map(pauseAt))}::int[]
    ) as c (task_id, execution_id, claim, outcome, detail, error_code, result, since_start_ms, since_end_ms, late_reason, pause_at)
    where ${fenced(sql, 'running', sql`(${claimIds}::uuid[])[c.claim]`)} ${byKey(sql, taskIds)}
    returning ${endedRow(sql)}`
}

const recorded = reusable((sql) =>
  intoLedger(sql, { startedAt: sql`began_at`, endedAt: sql`ended_at`, lateReason: sql`late_reason` }),
)

/** A pause changes what clients see of the task, so it increments the version. */
const changed = reusable(
  (sql) => sql`
  , changed as (
    update tasks t set version = t.version + 1, updated_at = now() from ended where over_limit and t.id = ended.task_id
    returning t.id as task_id, t.name as task_name, ended.pause_reason as reason
  )`,
)

const nothing = reusable((sql) => sql``)
const goneIds = reusable((sql) => sql`(select json_agg(id) from gone)`)
const pausedTasks = reusable((sql) => sql`(select json_agg(c) from changed c)`)
const noIds = reusable((sql) => sql`null`)

const endedOrPaused = reusable((sql) => {
  const failuresNow = sql`s.consecutive_failures + 1`
  const isOverLimit = sql`${failuresNow} >= c.pause_at`
  return sql`
    ${ended(sql)}, ${ranUntil(sql, sql`statement_timestamp() - coalesce(c.since_end_ms, 0) * interval '1 ms'`)},
    consecutive_failures = case
      when c.outcome = 'success' then 0
      when c.pause_at is not null then ${failuresNow}
      else s.consecutive_failures
    end,
    ${pausedItself(sql, isOverLimit, sql`'failed ' || (${failuresNow}) || ' times in a row'`)}`
})

const endedRow = reusable(
  (sql) => sql`
  ${ledgerColumns(sql)}, c.outcome, c.detail, c.error_code, c.result, c.late_reason, s.busy_until as ended_at,
  s.started_at + coalesce(c.since_start_ms, 0) * interval '1 ms' as began_at, s.consecutive_failures >= c.pause_at as over_limit,
  s.pause_reason`,
)

/**
 * Returns the CTEs `done` and `gone`, which remove claims that have no open execution. A claim is removed if this
 * statement and confirmed earlier statements have ended all executions that it names. Otherwise each of its tasks is
 * checked, since this process's record may be incomplete. If another transaction has locked a claim, for example a
 * heartbeat or `recover`, the claim stays until a later settlement removes it or its lease expires.
 */
function removeDone(sql: Queryable, doneClaims: DoneClaim[], expected: number): Fragment {
  const ids = doneClaims.map(({ id }) => id)
  const isOneOf = ids.length > SMALL_SET ? nothing(sql) : sql`and c.id = any(${ids}::uuid[])`
  return sql`
  , done as (
    select c.id, c.task_ids, d.ends
    from unnest(
      ${ids}::uuid[], ${doneClaims.map(({ ends }) => ends)}::int[]
    ) as d (id, ends)
    join claims c on c.id = d.id ${isOneOf}
    for update of c skip locked
  ),
  gone as (
    delete from claims c
    using done d
    where c.id = d.id ${isOneOf} and (
      (coalesce(cardinality(d.task_ids) = d.ends, false) and (select count(*) from ended) = ${expected})
      or not exists (
        select from task_state s
        where s.task_id = any(d.task_ids) and s.claim_id = d.id and s.status is not null
          and s.execution_id not in (select execution_id from ended)
      )
    )
    returning c.id
  )`
}

/**
 * Returns how many milliseconds ago a run ended. Its ending may be written later, but its task's next occurrence and
 * its retry depend on when it ended. Rounded down, so that no run is recorded as ending earlier than it did. Statements
 * subtract this from `statement_timestamp()`, since their transaction may have begun earlier.
 */
const sinceEndMs = ({ endedAt }: Settlement): number =>
  endedAt === undefined ? 0 : Math.floor(performance.now() - endedAt)

/** Returns whether the roll-ups may have passed a run by the time its ending is written. The statement decides. */
const mayBeLate = (settlement: Settlement): boolean => sinceEndMs(settlement) > LATE_MS / 2

/** More failures than any task will ever have. */
const NEVER = 2 ** 31 - 1

/**
 * Returns how many failures in a row pause the task, or null if this outcome doesn't count as a failure. Only the last
 * attempt at a scheduled occurrence counts.
 */
function pauseAt({ execution, outcome }: Settlement): number | null {
  const hasFailed = outcome.status === 'failed' || outcome.status === 'timeout'
  if (!hasFailed || execution.trigger !== 'schedule' || retryIn(outcome) !== null) return null
  return execution.task.pause_after_failures ?? NEVER
}

/** Returns whether a settlement may pause its task. */
const mayPause = (settlement: Settlement): boolean => (pauseAt(settlement) ?? NEVER) < NEVER

function nextAttempt(settlement: Settlement): Again[] {
  const { id, task_id } = settlement.execution
  const backoff = retryIn(settlement.outcome)
  if (backoff === null) return []
  return [{ id, task_id, inSeconds: backoff - sinceEndMs(settlement) / 1000, failed: true }]
}

const tasksOf = (settlements: Settlement[]): number[] => settlements.map(({ execution }) => execution.task_id)
