import { type Columns, cell, columns, mapRows } from '../../columns.ts'
import { type Queryable, sparse } from '../../db.ts'
import type { Plan } from '../schedule/plan.ts'
import { shift } from '../schedule/schedule.ts'
import { cursorAt } from '../state/cursor.ts'
import { insertSkips } from '../state/ledger.ts'
import { openedBySchedule } from '../state/open.ts'
import type { ClaimedExecution, ClaimOptions, LastRun } from './claim.ts'
import type { Definition } from './definition.ts'

/** What a claim does with a task that it has locked. */
export type TaskPlan = Plan & {
  taskId: number
  task: Definition
  lastRun: LastRun
  /** The claim that gets the occurrence, as an index into `claimIds`; null if no occurrence runs. */
  claim: number | null
}

type OpenOptions = Pick<ClaimOptions, 'clock' | 'leaseSeconds' | 'startsDue'> & {
  workerId: string
  claimIds: string[]
}

type Opened = { task_id: number; id: number; starts: boolean }

const OPENED = { task_id: 'task_id', id: 'id', starts: 'starts' }

/**
 * Moves the cursors of locked tasks, opens the planned executions, and records skipped occurrences. Returns the
 * executions.
 */
export async function openExecutions(
  tx: Queryable,
  plans: TaskPlan[],
  options: OpenOptions,
): Promise<ClaimedExecution[]> {
  if (plans.length === 0) return []
  const { opened, startedAt } = await open(tx, plans, options)
  await insertSkips(
    tx,
    plans.flatMap(({ taskId, skips }) => skips.map((skip) => ({ taskId, ...skip }))),
  )
  return plans.flatMap((plan) => {
    const row = opened.get(plan.taskId)
    return row ? toExecution(plan, row, { startedAt, claimIds: options.claimIds }) : []
  })
}

/**
 * Moves every cursor, opens an execution for each plan that has a run, and inserts the claims that hold these
 * executions, all in one statement.
 */
async function open(
  tx: Queryable,
  plans: TaskPlan[],
  { startsDue = false, clock, leaseSeconds, workerId, claimIds }: OpenOptions,
): Promise<{ opened: Map<number, Opened>; startedAt: Date }> {
  const [{ at, ...rows }] = await tx<[Columns<Opened> & { at: Date }]>`
    with
    -- Times are in milliseconds since 1970. The clock is read after the rows were locked, not when the transaction
    -- began, so that no execution starts before its task's last execution has ended.
    plans as (
      select *, run is not null as opens,
        ${startsDue} and due <= ${clock.now.getTime()}::float8 as starts
      from unnest(
        ${plans.map((it) => it.taskId)}::int[],
        ${plans.map((it) => msOf(it.run))}::float8[],
        ${plans.map((it) => msOf(it.run, it.task.jitter))}::float8[],
        ${sparse(plans.map((it) => msOf(it.next, it.task.jitter)))}::float8[],
        ${plans.map((it) => it.claim)}::int[]
      ) as u (task_id, run, due, next, claim), (select clock_timestamp()::timestamptz(3) as at) clock
    ),
    -- The rows are locked by this transaction (lock-due.ts), so no other tick can update them.
    moved as (
      update task_state s
      set ${cursorAt(tx, tx`to_timestamp(p.next / 1000)`)},
        ${openedBySchedule(tx, claimIds)}
      from plans p
      where s.task_id = p.task_id
      returning s.task_id, s.execution_id as id, s.claim_id, p.opens as opened, p.starts, p.at
    ),
    inserted as (
      insert into claims (id, lease_expires_at, task_ids, worker_id)
      select claim_id, now() + make_interval(secs => ${leaseSeconds}), array_agg(task_id), ${workerId}::uuid
      from moved
      where opened
      group by claim_id
    )
    select ${columns<Opened>(tx, OPENED)}, max(at) as at from moved where opened`
  const opened = mapRows(rows, (index): [number, Opened] => {
    const task_id = cell(rows.task_id, index)
    return [task_id, { task_id, id: cell(rows.id, index), starts: cell(rows.starts, index) }]
  })
  return { opened: new Map(opened), startedAt: at }
}

function toExecution(
  { taskId, task, lastRun, run, next, claim }: TaskPlan,
  { id, starts }: Opened,
  { startedAt, claimIds }: { startedAt: Date; claimIds: string[] },
): ClaimedExecution[] {
  if (run === null || claim === null) return []
  return [
    {
      id,
      claim_id: claimIds[claim] ?? '',
      task_id: taskId,
      scheduled_for: run,
      trigger: 'schedule',
      attempt: 1,
      due_at: shift(run, task.jitter),
      started_at: starts ? startedAt : null,
      next_run_at: next && shift(next, task.jitter),
      failures: 0,
      lastRun,
      task,
    },
  ]
}

/**
 * Returns the ids of the tasks whose occurrence is already in the ledger. A cursor that was manually set back reaches
 * such occurrences again, and they must not run twice.
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

/**
 * Returns a time plus jitter, in milliseconds since 1970. Times are sent as numbers, since postgres.js would mistake an
 * array of Dates for a single Date, and strings are slow for both client and server.
 */
const msOf = (instant: Date | null, jitter = 0): number | null => instant && instant.getTime() + jitter
