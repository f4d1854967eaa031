import type { BatchSize } from '../../batch-size.ts'
import { type Database, type Queryable, retryDeadlock, wasTooSlow } from '../../db.ts'
import { warnOfEach } from '../../warn-of-each.ts'
import { freeUnstarted } from '../state/free.ts'
import { type Losable, type Lost, lose, SILENT } from '../state/lose.ts'
import { lossReason, type PausedItself, pausedItself, reportPaused, touch } from '../state/pause-itself.ts'
import { requeue } from '../state/requeue.ts'

export type Recovered = {
  /**
   * Executions that were running when their worker went silent. They are now `lost`, and the next attempts are queued.
   */
  lost: number
  /** Executions that were claimed but hadn't started. They can be claimed again. */
  freed: number
  /** Tasks that were paused because an occurrence was lost more times than `crash_limit` allows. */
  paused: number
}

/**
 * Maximum number of claims that one transaction recovers, and maximum number of executions in them. A larger
 * transaction would hold its locks longer. A claim is always recovered as a whole, however large it is.
 */
const CLAIMS = 200
export const RECOVERED_AT_ONCE = 5000

/** How long one call may keep recovering expired claims, in milliseconds. */
const ENOUGH_MS = 2000

/**
 * Recovers claims whose lease has expired according to the database's clock. `executions`: the number of executions per
 * transaction. Returns what was done.
 */
export async function recover(sql: Database, executions: BatchSize): Promise<Recovered> {
  const until = performance.now() + ENOUGH_MS
  const all: Recovered = { lost: 0, freed: 0, paused: 0 }
  for (let more = true; more && performance.now() < until; ) {
    const batch = await recoverBatch(sql, executions)
    all.freed += batch.freed
    all.lost += batch.lost.length
    all.paused += batch.paused.length
    report(batch)
    more = batch.more
  }
  return all
}

async function recoverBatch(sql: Database, executions: BatchSize): Promise<Batch> {
  try {
    const batch = await retryDeadlock(() => sql.begin((tx) => recoverSome(tx, executions.size)))
    executions.worked()
    return batch
  } catch (error) {
    if (wasTooSlow(error)) executions.tooSlow()
    throw error
  }
}

type Batch = { lost: Lost[]; freed: number; paused: PausedItself[]; more: boolean }

async function recoverSome(tx: Queryable, most: number): Promise<Batch> {
  const { ids, more } = await lockExpired(tx, most)
  if (ids.length === 0) return { lost: [], freed: 0, paused: [], more: false }
  const open = await lockOpen(tx, ids)
  await tx`delete from claims where id = any(${ids}::uuid[])`
  const freed = await freeUnstarted(
    tx,
    open.filter(({ status }) => status === 'queued'),
  )
  const lost = await lose(
    tx,
    open.filter(({ status }) => status === 'running'),
  )
  const paused = await pauseOverLimit(
    tx,
    lost.filter((it) => it.gives_up),
  )
  await requeue(
    tx,
    lost.filter((it) => !it.gives_up).map((it) => ({ ...it, inSeconds: 0, failed: false })),
  )
  return { lost, freed, paused, more }
}

/**
 * Locks expired claims. Returns the ids of the oldest claims, up to a total of `most` executions, but always at least
 * one claim.
 */
async function lockExpired(tx: Queryable, most: number): Promise<{ ids: string[]; more: boolean }> {
  const claims = await tx<{ id: string; size: number }[]>`
    select id, cardinality(task_ids) as size from claims
    where lease_expires_at <= now()
    order by lease_expires_at
    limit ${CLAIMS}
    for update skip locked`
  const ids: string[] = []
  let size = 0
  for (const claim of claims) {
    size += claim.size
    if (ids.length > 0 && size > most) break
    ids.push(claim.id)
  }
  return { ids, more: ids.length < claims.length || claims.length === CLAIMS }
}

/** Locks the executions that the claims still hold, in task id order, as pauses and settlements do. */
async function lockOpen(
  tx: Queryable,
  claimIds: string[],
): Promise<(Losable & { status: 'queued' | 'running' })[]> {
  return await tx`
    select s.execution_id as id, s.task_id, s.claim_id, s.status, c.blameless
    from (
      select id, blameless, unnest(task_ids) as task_id from claims where id = any(${claimIds}::uuid[])
    ) c
    join task_state s on s.task_id = c.task_id and coalesce(s.claim_id = c.id and s.status is not null, false)
    order by s.task_id
    for no key update of s`
}

/** Pauses tasks that probably crash their workers. */
async function pauseOverLimit(tx: Queryable, overLimit: Lost[]): Promise<PausedItself[]> {
  if (overLimit.length === 0) return []
  const taskIds = overLimit.map((it) => it.task_id)
  const paused = await tx<PausedItself[]>`
    update task_state s
    set ${pausedItself(tx, tx`true`, lossReason(tx))}
    from tasks t
    where s.task_id = any(${taskIds}::int[]) and t.id = s.task_id
    returning s.task_id, t.name as task_name, s.pause_reason as reason`
  await touch(tx, taskIds)
  return paused
}

function report({ lost, paused }: Batch): void {
  warnOfEach(
    'execution lost',
    lost.map(({ id, task_id, task_name, attempt }) => ({
      execution_id: id,
      task_id,
      task_name,
      attempt,
      status: 'lost',
      detail: SILENT,
      error_code: 'lost',
    })),
  )
  reportPaused(paused)
}
