import { runsBetween } from './cron/count.ts'
import { nextAfter, type Schedule } from './schedule.ts'

/**
 * Occurrences by index, oldest first. They are computed on demand, not listed, so even a backlog of years costs little.
 */
export type Occurrences = {
  count: number
  /** Returns an occurrence; index 0 is the oldest. */
  at(index: number): Date
  /** Returns how many occurrences come before `instant`. */
  before(instant: Date): number
}

/**
 * Returns the due occurrences: the cursor, which needn't fall on the schedule, and the occurrences after it up to
 * `now`. There are none if the cursor is in the future.
 */
export function dueOccurrences(schedule: Schedule, cursor: Date, now: Date): Occurrences {
  const rest = cursor > now ? NONE : following(schedule, cursor, now)
  return {
    count: cursor > now ? 0 : rest.count + 1,
    at: (index) => (index === 0 ? cursor : rest.at(index - 1)),
    before: (instant) => (instant > cursor && cursor <= now ? 1 + rest.before(instant) : 0),
  }
}

const NONE: Occurrences = {
  count: 0,
  at() {
    throw new RangeError('there is no such occurrence')
  },
  before: () => 0,
}

/** Returns the occurrences after the cursor, up to `now`. */
function following(schedule: Schedule, cursor: Date, now: Date): Occurrences {
  const first = nextAfter(schedule, cursor, cursor)
  if (first === null || first > now || schedule.kind === 'once') return NONE
  const until = schedule.endAt !== null && schedule.endAt < now ? schedule.endAt : now
  if (schedule.kind === 'interval') return atRate(first, schedule.milliseconds, until)
  const runs = runsBetween(schedule.cron, schedule.timezone, new Date(first.getTime() - 1), until)
  return {
    count: runs.count,
    at: (index) => new Date(runs.at(index)),
    before: (instant) => runs.before(instant.getTime()),
  }
}

function atRate(first: Date, milliseconds: number, until: Date): Occurrences {
  const count = Math.floor((until.getTime() - first.getTime()) / milliseconds) + 1
  const steps = (instant: Date) => Math.ceil((instant.getTime() - first.getTime()) / milliseconds)
  return {
    count,
    at: (index) => new Date(first.getTime() + index * milliseconds),
    before: (instant) => Math.min(count, Math.max(0, steps(instant))),
  }
}
