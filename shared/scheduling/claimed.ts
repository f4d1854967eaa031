import type { Queryable } from '../db.ts'
import { type Definition, readDefinitions } from './definition.ts'

/** An execution in a worker's hands, with what it needs to run it. */
export type Claimed = {
  id: number
  claim_id: string
  task_id: number
  scheduled_for: Date
  trigger: string
  attempt: number
  due_at: Date
  /** Set when it was started with its claim, since it was due then. */
  started_at: Date | null
  /** Of its task, after this one. */
  next_run_at: Date | null
  /** How many attempts of this occurrence failed or timed out before. */
  failures: number
  /** How long the last occurrence of its task took, all attempts together. */
  lastRun: LastRun
  task: Definition
}

/** `quick` is well within the second after which a run counts as slow. */
export type LastRun = 'quick' | 'slow' | 'none'

/** A run that took no longer is quick: with the time to start and settle it, it is well within a second. */
export const QUICK_MS = 500

/** Returns what is known of a run that took so many milliseconds; null when there was none. */
export function lastRunOf(tookMs: number | null): LastRun {
  if (tookMs === null) return 'none'
  return tookMs <= QUICK_MS ? 'quick' : 'slow'
}

type Row = Omit<Claimed, 'task' | 'lastRun'> & { definition: number; took_ms: number | null }

/** What a claim holds that has not started, soonest first; `known` are the definitions of its tasks, if they have been read. */
export async function loadClaimed(
  sql: Queryable,
  claimId: string,
  taskIds: number[],
  known?: Map<number, Definition>,
): Promise<Claimed[]> {
  const rows = await sql<Row[]>`
    select execution_id as id, claim_id, task_id, scheduled_for, trigger, attempt, due_at, null as started_at, next_run_at,
      failures, definition, (extract(epoch from busy_until - busy_from) * 1000)::float8 as took_ms
    from task_state
    where task_id = any(${taskIds}::int[]) and claim_id = ${claimId} and status = 'queued'
    order by due_at, task_id`
  const definitions = known ?? (await readDefinitions(sql, rows)).found
  return rows.flatMap(({ definition: _, took_ms, ...row }) => {
    const task = definitions.get(row.task_id)
    return task ? [{ ...row, lastRun: lastRunOf(took_ms), task }] : []
  })
}
