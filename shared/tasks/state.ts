import { type Fragment, type Queryable, reusable } from '../db.ts'

/** The states that tasks can be filtered by. A task may be in several of them. */
export const FILTERED_STATES = ['running', 'paused', 'late', 'failing', 'ended'] as const

/** The state that a task shows: the first of these that it is in. */
export const TASK_STATES = [...FILTERED_STATES, 'waiting'] as const

type FilteredState = (typeof FILTERED_STATES)[number]

/** How long something may be due before it counts as late: longer than a tick and a start take. */
const LATE = `interval '5 s'`

/** The conditions for each state, for a statement that aliases `task_state` as `s`. */
const CONDITIONS: Record<FilteredState, string> = {
  running: `s.status = 'running' and s.started_at <= now()`,
  paused: `s.paused_at is not null`,
  // An occurrence that nothing has claimed, or an execution that hasn't started. While an execution is open, the
  // task's next occurrence isn't late: whether it runs depends on the overlap policy.
  late: `(
    s.status is null and s.paused_at is null and s.next_run_at is not null and s.next_run_at < now() - ${LATE}
    or s.status = 'queued' and s.due_at < now() - ${LATE}
  )`,
  failing: `s.consecutive_failures > 0`,
  ended: `s.next_run_at is null and s.status is null and s.run_queued_at is null`,
}

/** Selects of the tasks that may be in a state, where an index finds them. Only few tasks are open or due at a time. */
const CANDIDATES: Partial<Record<FilteredState, string>> = {
  running: `select unnest(c.task_ids) from claims c`,
  late: `
    select d.task_id from task_state d
    where d.paused_at is null and d.next_run_at is not null and d.next_run_at < now() - ${LATE}
    union all
    select unnest(c.task_ids) from claims c
    union all
    select w.task_id from task_state w where w.unheld_due_at is not null`,
}

/** Returns the column `state`, for a statement that aliases `task_state` as `s`. */
export const stateColumn = reusable(
  (sql) => sql`
  case
    ${sql.unsafe(FILTERED_STATES.map((it) => `when ${CONDITIONS[it]} then '${it}'`).join('\n'))}
    else 'waiting'
  end as state`,
)

/** Returns the condition that a task is in one of the states. */
export function isInState(sql: Queryable, states: readonly FilteredState[]): Fragment {
  const isIn = states.map((it) => {
    const candidates = CANDIDATES[it]
    return candidates === undefined
      ? `(${CONDITIONS[it]})`
      : `(s.task_id in (${candidates}) and ${CONDITIONS[it]})`
  })
  return sql.unsafe(`(${isIn.join(' or ')})`)
}
