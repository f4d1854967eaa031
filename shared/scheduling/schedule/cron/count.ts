import { type Cron, isMadeUp } from './cron.ts'
import { countWalls } from './cron-calendar.ts'
import { stretchesOf } from './zone.ts'

/** Gives access to runs by index, oldest first, without computing all of them. */
export type Runs = {
  count: number
  /** Returns the time of a run, in milliseconds since 1970; index 0 is the oldest. */
  at(index: number): number
  /** Returns how many runs come before `instant`. */
  before(instant: number): number
}

const SECOND = 1000
const DAY = 86_400 * SECOND

/**
 * Returns the runs after `after` and up to `until`: the same runs that `nextOccurrence` returns one by one. Visits
 * months rather than runs, so ten years take only 0.2 ms, with or without seconds.
 */
export function runsBetween(cron: Cron, timezone: string, after: Date, until: Date): Runs {
  const from = secondAfter(after.getTime())
  const end = secondAfter(until.getTime())
  const pieces = piecesOf(cron, timezone, from, end)
  const countIn = (low: number, high: number) =>
    pieces.reduce((sum, piece) => sum + countPiece(cron, piece, low, high), 0)
  const count = countIn(from, end)
  return {
    count,
    before: (instant) => countIn(from, Math.min(end, secondAfter(instant - 1))),
    at(index) {
      let [low, high, left] = [from, end, index]
      while (high - low > SECOND) {
        const middle = low + Math.floor((high - low) / 2 / SECOND) * SECOND
        const inLower = countIn(low, middle)
        if (left < inLower) high = middle
        else [low, left] = [middle, left - inLower]
      }
      return low
    },
  }
}

const secondAfter = (time: number): number => Math.floor(time / SECOND) * SECOND + SECOND

/**
 * The period from `from` to `until` (exclusive). If `offset` is null, each second is a run; otherwise, each matching
 * wall time is a run.
 */
type Piece = { from: number; until: number; offset: number | null }

function countPiece({ calendar }: Cron, { from, until, offset }: Piece, low: number, high: number): number {
  const [first, end] = [Math.max(from, low), Math.min(until, high)]
  if (first >= end) return 0
  return offset === null ? (end - first) / SECOND : countWalls(calendar, first + offset, end + offset)
}

/**
 * Splits the range at clock changes, which need special care only for fixed times: see `nextOccurrence`. Starts a day
 * early, to notice a change just before the range.
 */
function piecesOf(cron: Cron, timezone: string, from: number, until: number): Piece[] {
  const pieces: Piece[] = []
  let shown = Number.NEGATIVE_INFINITY
  for (const stretch of from < until ? stretchesOf(timezone, from - DAY, until) : []) {
    const wall = stretch.from + stretch.offset
    const gap = { end: stretch.from, size: wall - shown }
    if (gap.size > 0 && isMadeUp(cron, gap) && countWalls(cron.calendar, shown, wall) > 0) {
      if (countWalls(cron.calendar, wall, wall + SECOND) === 0)
        pieces.push({ from: gap.end, until: gap.end + SECOND, offset: null })
    }
    const repeated = cron.followsClock ? 0 : Math.max(0, shown - wall)
    pieces.push({ ...stretch, from: stretch.from + repeated })
    shown = Math.max(shown, stretch.until + stretch.offset)
  }
  return pieces
}
