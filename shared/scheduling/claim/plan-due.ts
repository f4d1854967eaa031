import type { Queryable } from '../../db.ts'
import { AppError, messageOf } from '../../errors.ts'
import { Turn } from '../../turn.ts'
import { type DueTask, type Plan, plan } from '../schedule/plan.ts'
import { type Schedule, shift } from '../schedule/schedule.ts'
import type { ClaimMemory } from './claim-memory.ts'
import type { Definition } from './definition.ts'
import type { DueRow } from './lock-due.ts'

/**
 * How long one claim may plan, in milliseconds. Counting the occurrences in a long cron backlog takes time.
 * The next claim handles the rows that aren't planned in time.
 */
const PLANNING_MS = 500

/**
 * `unreadable`: the errors of tasks that can't be planned, by task id. `seen`: number of rows that were handled. The
 * next claim handles the rest.
 */
export type Plans = { planned: Planned[]; unreadable: Map<number, Error>; seen: number }

/** Reads the definitions of locked tasks, and plans each task that this process can run, until time is up. */
export async function planAll(tx: Queryable, memory: ClaimMemory, rows: DueRow[], now: Date): Promise<Plans> {
  const { found: definitions, left } = await memory.definitions.read(tx, rows)
  const plans: Plans = { planned: [], unreadable: new Map(), seen: 0 }
  const since = performance.now()
  const turn = new Turn()
  for (const row of rows) {
    if (performance.now() - since > PLANNING_MS) break
    if (turn.isOver) await turn.next()
    if (left.has(row.task_id)) continue
    plans.seen += 1
    const task = definitions.get(row.task_id)
    if (task && memory.unknownTypes.isRunnable(task, now.getTime() - row.next_run_at))
      planOne(plans, row, task, now)
  }
  return plans
}

function planOne(plans: Plans, row: DueRow, task: Definition, now: Date): void {
  const outcome = tryPlan(row, task, now)
  if (outcome instanceof Error) plans.unreadable.set(row.task_id, outcome)
  else plans.planned.push({ row, task, plan: outcome })
}

export type Planned = { row: DueRow; task: Definition; plan: Plan }

/** Returns errors instead of throwing: a task that can't be planned must not hold up the tasks claimed with it. */
function tryPlan(row: DueRow, task: Definition, now: Date): Plan | Error {
  const { schedule } = task
  if (schedule instanceof AppError) return schedule
  try {
    return planRow(row, task, schedule, now)
  } catch (error) {
    return error instanceof Error ? error : new Error(messageOf(error))
  }
}

/**
 * Plans a task. `plan` ignores jitter, so the jitter is subtracted from its input here and added to its results later.
 */
function planRow(row: DueRow, task: Definition, schedule: Schedule, now: Date): Plan {
  const { jitter } = task
  const { busy_from: from, busy_until: until } = row
  const unjittered = (ms: number): Date => new Date(ms - jitter)
  const due: DueTask = {
    schedule,
    cursor: unjittered(row.next_run_at),
    policies: task,
    busy: from === null || until === null ? null : { from: unjittered(from), until: unjittered(until) },
    runsLeft: task.max_runs === null ? null : task.max_runs - row.runs,
    isFirst: row.last === null,
  }
  return plan(due, shift(now, -jitter))
}
