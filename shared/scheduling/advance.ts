import { type Columns, cell, columns, mapRows } from '../columns.ts'
import type { Queryable } from '../db.ts'
import type { ClaimOptions } from './claim.ts'
import type { Claimed, LastRun } from './claimed.ts'
import type { Definition } from './definition.ts'
import type { Plan } from './plan.ts'
import { shift } from './schedule.ts'
import { cursorAt } from './state/cursor.ts'
import { insertSkips } from './state/ledger.ts'
import { openedBySchedule } from './state/open.ts'

/** What a claim does with a task that it has locked. */
export type TaskPlan = Plan & {
  taskId: number
  task: Definition
  lastRun: LastRun
  /** Which of the claims gets the occurrence that runs; null when none does. */
  claim: number | null
}

type AdvanceOptions = Pick<ClaimOptions, 'clock' | 'leaseSeconds' | 'startsDue'> & { claimIds: string[] }

type Opened = { task_id: number; id: number; starts: boolean }

const OPENED = { task_id: 'task_id', id: 'id', starts: 'starts' }

/** Moves the cursors of locked tasks, opens the executions of what runs, and records what doesn't. Gives the executions. */
export async function advance(tx: Queryable, plans: TaskPlan[], options: AdvanceOptions): Promise<Claimed[]> {
  if (plans.length === 0) return []
  const [{ at, ...moved }] = await tx<[Columns<Opened> & { at: Date }]>`
    with moved as (
      update task_state s
      set ${cursorAt(tx, tx`to_timestamp(p.next / 1000)`)},
        ${openedBySchedule(tx, options.claimIds)}
      from (
        select *, run is not null as opens,
          ${options.startsDue ?? false} and due <= ${options.clock.now.getTime()}::float8 as starts
        from unnest(
          ${plans.map((it) => it.taskId)}::int[],
          ${plans.map((it) => msOf(it.run))}::float8[],
          ${plans.map((it) => msOf(it.run, it.task.jitter))}::float8[],
          ${plans.map((it) => msOf(it.next, it.task.jitter))}::float8[],
          ${plans.map((it) => it.claim)}::int[]
        ) as u (task_id, run, due, next, claim), (select clock_timestamp()::timestamptz(3) as at) clock
      ) p
      where s.task_id = p.task_id
      returning s.task_id, s.execution_id as id, s.claim_id, p.opens as opened, p.starts, p.at
    ),
    claimed as (
      insert into claims (id, lease_expires_at, task_ids)
      select claim_id, now() + make_interval(secs => ${options.leaseSeconds}), array_agg(task_id)
      from moved
      where opened
      group by claim_id
    )
    select ${columns<Opened>(tx, OPENED)}, max(at) as at from moved where opened`
  await insertSkips(
    tx,
    plans.flatMap(({ taskId, skips }) => skips.map((skip) => ({ taskId, ...skip }))),
  )
  const opened = new Map(
    mapRows(moved, (index) => [
      cell(moved.task_id, index),
      { id: cell(moved.id, index), starts: cell(moved.starts, index) },
    ]),
  )
  return plans.flatMap(({ taskId, task, lastRun, run, next, claim }) => {
    const row = opened.get(taskId)
    if (row === undefined || run === null || claim === null) return []
    return {
      id: row.id,
      claim_id: options.claimIds[claim] ?? '',
      task_id: taskId,
      scheduled_for: run,
      trigger: 'schedule',
      attempt: 1,
      due_at: shift(run, task.jitter),
      started_at: row.starts ? at : null,
      next_run_at: next && shift(next, task.jitter),
      failures: 0,
      lastRun,
      task,
    }
  })
}

/**
 * Of these occurrences those that the ledger has: a cursor that was set back by hand comes to them again, and they stay handled.
 * Gives the ids of their tasks.
 */
export async function handledAlready(
  tx: Queryable,
  occurrences: { taskId: number; run: Date | null }[],
): Promise<Set<number>> {
  if (occurrences.length === 0) return new Set()
  const rows = await tx<{ task_id: number }[]>`
    select e.task_id
    from unnest(
      ${occurrences.map((it) => it.taskId)}::int[], ${occurrences.map((it) => msOf(it.run))}::float8[]
    ) as o (task_id, run)
    join executions e
      on e.task_id = o.task_id and e.scheduled_for = to_timestamp(o.run / 1000) and e.attempt = 1 and e.trigger = 'schedule'`
  return new Set(rows.map((row) => row.task_id))
}

/** Milliseconds since 1970: arrays of Dates postgres.js takes for a single one, and strings are slow on both sides. */
const msOf = (instant: Date | null, jitter = 0): number | null => instant && instant.getTime() + jitter
