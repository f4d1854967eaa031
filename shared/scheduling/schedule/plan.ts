import { dueOccurrences, type Occurrences } from './occurrences.ts'
import { nextAfter, type Schedule } from './schedule.ts'

export const OVERLAP_POLICIES = ['skip', 'queue'] as const
export const MISFIRE_POLICIES = ['fire_once', 'skip', 'fire_all'] as const
export const SKIP_REASONS = ['overlap', 'misfire', 'paused', 'ended'] as const

/** Maximum number of occurrences that `fire_all` runs from a backlog: the latest ones. */
const FIRE_ALL_LIMIT = 100

type Policies = {
  overlap_policy: (typeof OVERLAP_POLICIES)[number]
  misfire_policy: (typeof MISFIRE_POLICIES)[number]
  misfire_grace_seconds: number
}

/** Consecutive occurrences that don't run, all for the same reason. */
export type Skip = { reason: (typeof SKIP_REASONS)[number]; first: Date; last: Date; count: number }

/** What a claim does with a due task. At most one occurrence runs; `next` is where the cursor goes. */
export type Plan = { run: Date | null; skips: Skip[]; next: Date | null }

/** The period in which the task's last run was open. Occurrences that came due in that period are overlaps. */
type BusyWindow = { from: Date; until: Date }

export type DueTask = {
  schedule: Schedule
  cursor: Date
  policies: Policies
  busy: BusyWindow | null
  /** Number of occurrences that may still run; null if there is no limit. */
  runsLeft: number | null
  /** True if no occurrence has run yet. */
  isFirst?: boolean
}

/**
 * Decides what happens to a task's due occurrences at `now`. If no occurrence is due, plans the one at the cursor,
 * which is then in the future. Every occurrence before `next` is either the one that runs or part of a skip. Has no
 * side effects.
 *
 * If several are due, the latest one runs, and the others are skipped as misfires. With `fire_all`, the latest 100 run
 * instead, one after the other, oldest first. Occurrences that came due while the last run was open are overlaps,
 * whatever their age. A `once` task runs however late it is.
 */
export function plan(task: DueTask, now: Date): Plan {
  const { schedule, cursor, runsLeft } = task
  if (runsLeft !== null && runsLeft <= 0) return { ...skipAll(schedule, cursor, now, 'ended'), next: null }
  if (schedule.kind === 'once') return { run: cursor, skips: [], next: null }
  if (schedule.kind === 'interval' && schedule.mode === 'fixed_delay') {
    const delayed = planDelayed(task, now)
    return runsLeft === 1 && delayed.run !== null ? { ...delayed, next: null } : delayed
  }
  const planned = planRegular(task, now)
  return runsLeft === 1 && planned.run !== null ? endAfter(task, planned, planned.run, now) : planned
}

/**
 * Skips everything that is due. With a fixed delay, only one occurrence is due, since the next one depends on when its
 * run ends.
 */
export function skipAll(schedule: Schedule, cursor: Date, now: Date, reason: Skip['reason']): Plan {
  const isDelayed = schedule.kind === 'interval' && schedule.mode === 'fixed_delay'
  const due = dueOccurrences(schedule, cursor, isDelayed && cursor < now ? cursor : now)
  return { run: null, skips: skip(reason, due, all(due)), next: nextOf(schedule, cursor, now) }
}

/** Returns the first occurrence after `now`. */
const nextOf = (schedule: Schedule, cursor: Date, now: Date): Date | null =>
  cursor > now ? cursor : nextAfter(schedule, cursor, now)

/**
 * Plans a task with a fixed delay, which is measured from the end of the last run. The cursor was set before that run
 * ended, so it may have to be moved before the task runs.
 */
function planDelayed({ schedule, cursor, busy }: DueTask, now: Date): Plan {
  const delay = schedule.kind === 'interval' ? schedule.milliseconds : 0
  const earliest = busy ? new Date(busy.until.getTime() + delay) : cursor
  const at = earliest > cursor ? earliest : cursor
  if (schedule.endAt !== null && at > schedule.endAt) return { run: null, skips: [], next: null }
  if (at > now && at > cursor) return { run: null, skips: [], next: at }
  return { run: at, skips: [], next: nextAfter(schedule, at, at) }
}

function planRegular(task: DueTask, now: Date): Plan {
  const { schedule, cursor } = task
  if (cursor > now) return { run: cursor, skips: [], next: nextAfter(schedule, cursor, cursor) }
  return planDue(task, dueOccurrences(schedule, cursor, now), nextOf(schedule, cursor, now), now)
}

/** Ends the schedule with `run`, the last occurrence that may run. Later due occurrences are skipped. */
function endAfter(task: DueTask, planned: Plan, run: Date, now: Date): Plan {
  if (planned.next === null || planned.next > now) return { ...planned, next: null }
  const due = dueOccurrences(task.schedule, task.cursor, now)
  const rest = [{ from: due.before(run) + 1, until: due.count }]
  return { run, skips: [...planned.skips, ...skip('ended', due, rest)], next: null }
}

/** Due occurrences, by index: from `from` to `until` (exclusive). */
type Range = { from: number; until: number }

const all = (due: Occurrences): Range[] => [{ from: 0, until: due.count }]

/** Splits the due occurrences into those from before, during and after the last run. */
function split({ busy }: DueTask, due: Occurrences): { overlapped: Range; before: Range; after: Range } {
  const from = busy === null ? due.count : due.before(busy.from)
  const until = busy === null ? due.count : Math.max(from, due.before(busy.until))
  return {
    overlapped: { from, until },
    before: { from: 0, until: from },
    after: { from: until, until: due.count },
  }
}

function planDue(task: DueTask, due: Occurrences, next: Date | null, now: Date): Plan {
  const { overlapped, before, after } = split(task, due)
  const latest = size(after) > 0 ? after : before
  if (size(latest) === 0) return planOverlapped(task, due, overlapped, next)
  if (task.policies.misfire_policy === 'fire_all') return fireFirst(task, due, next)
  const reason = whyTooLate(task, due.at(latest.until - 1), now)
  const run = reason === null ? due.at(latest.until - 1) : null
  if (run !== null) latest.until -= 1
  return {
    run,
    skips: [...skip('overlap', due, [overlapped]), ...skip(reason ?? 'misfire', due, [before, after])],
    next,
  }
}

/** Plans a task whose pending occurrences all became due while the last run was open. */
function planOverlapped(
  { policies }: DueTask,
  due: Occurrences,
  { from, until }: Range,
  next: Date | null,
): Plan {
  const runs = policies.overlap_policy === 'queue' && until > from
  const skips = skip('overlap', due, [{ from, until: runs ? until - 1 : until }])
  return { run: runs ? due.at(until - 1) : null, skips, next }
}

/**
 * Plans the next run under `fire_all`. The cursor moves to the occurrence right after it, so the rest are planned
 * later.
 */
function fireFirst(task: DueTask, due: Occurrences, next: Date | null): Plan {
  const { overlapped, before, after } = split(task, due)
  const given = Math.max(0, size(before) + size(after) - FIRE_ALL_LIMIT)
  const run = given < size(before) ? given : given + size(overlapped)
  const skips = [
    ...(run >= overlapped.until ? skip('overlap', due, [overlapped]) : []),
    ...skip('misfire', due, [
      { from: 0, until: Math.min(run, before.until) },
      { from: after.from, until: Math.max(run, after.from) },
    ]),
  ]
  return { run: due.at(run), skips, next: run + 1 < due.count ? due.at(run + 1) : next }
}

/**
 * Minimum grace period for a new task's first occurrence, in seconds. That occurrence may be due as soon as the task is
 * created, so no tick could have claimed it in time.
 */
const FIRST_GRACE_SECONDS = 10

/**
 * Returns why the latest due occurrence doesn't run, or null if it does. It doesn't run if it is late by more than the
 * grace period and either the schedule has ended or the misfire policy is `skip`.
 */
function whyTooLate(
  { policies, schedule, isFirst }: DueTask,
  latest: Date,
  now: Date,
): Skip['reason'] | null {
  const grace = Math.max(policies.misfire_grace_seconds, isFirst ? FIRST_GRACE_SECONDS : 0)
  if (now.getTime() - latest.getTime() <= grace * 1000) return null
  if (schedule.endAt !== null && now > schedule.endAt) return 'ended'
  return policies.misfire_policy === 'skip' ? 'misfire' : null
}

const size = ({ from, until }: Range): number => until - from

function skip(reason: Skip['reason'], due: Occurrences, ranges: Range[]): Skip[] {
  const filled = ranges.filter((range) => size(range) > 0)
  const first = filled[0]
  const last = filled.at(-1)
  if (first === undefined || last === undefined) return []
  const count = filled.reduce((sum, range) => sum + size(range), 0)
  return [{ reason, first: due.at(first.from), last: due.at(last.until - 1), count }]
}
