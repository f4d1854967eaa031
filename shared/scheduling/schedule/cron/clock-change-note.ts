import { type Cron, isMadeUp, nextOccurrence } from './cron.ts'
import { nextWall } from './cron-calendar.ts'
import { type Gap, instantsOf, lastGap, wallAt } from './zone.ts'

const SECOND = 1000

/**
 * Returns a human-readable note if a clock change affects the run at `at`, otherwise null. `at` must be a run of this
 * cron schedule.
 */
export function clockChangeNote(cron: Cron, timezone: string, at: Date): string | null {
  const wall = wallAt(timezone, at.getTime())
  if (instantsOf(timezone, wall).length > 1)
    return `${clock(wall)} happens twice on this day; ${cron.followsClock ? 'it runs both times' : 'it runs only the first time'}`
  const gap = lastGap(timezone, at.getTime())
  if (gap === null || nextOccurrence(cron, timezone, new Date(gap.end - 1))?.getTime() !== at.getTime())
    return null
  return gapNote(cron, timezone, gap)
}

function gapNote(cron: Cron, zone: string, gap: Gap): string | null {
  const end = wallAt(zone, gap.end)
  const start = end - gap.size
  const missed = nextWall(cron.calendar, start - SECOND, end - SECOND)
  if (missed === null) return null
  if (isMadeUp(cron, gap))
    return `${clock(missed)} does not exist on this day; it runs right after the gap, at ${clock(end)}`
  return `the clock skips from ${date(start)} ${clock(start)} to ${date(end)} ${clock(end)}; nothing runs for that gap`
}

function date(wall: number): string {
  return new Date(wall).toISOString().slice(0, 10)
}

function clock(wall: number): string {
  return new Date(wall).toISOString().slice(11, 19).replace(/:00$/, '')
}
