import { type Cron, isMadeUp } from './cron.ts'
import { countWalls } from './cron-calendar.ts'
import { stretchesOf } from './zone.ts'

/** Runs that are known by their number, oldest first: however many there are, none is listed. */
export type Runs = {
  count: number
  /** The instant of one; 0 is the oldest. */
  at(index: number): number
  /** How many come before an instant. */
  before(instant: number): number
}

const SECOND = 1000
const DAY = 86_400 * SECOND

/**
 * The runs after `after` up to `until`, the same ones that `nextOccurrence` gives one by one. It costs a look at each month,
 * not at each run: 0.2 ms for ten years, with or without seconds.
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

/** Instants from `from` until before `until`. Each matching wall time is a run, or, without `offset`, each second is. */
type Piece = { from: number; until: number; offset: number | null }

function countPiece({ calendar }: Cron, { from, until, offset }: Piece, low: number, high: number): number {
  const [first, end] = [Math.max(from, low), Math.min(until, high)]
  if (first >= end) return 0
  return offset === null ? (end - first) / SECOND : countWalls(calendar, first + offset, end + offset)
}

/** See `nextOccurrence`: only a fixed time minds a clock change. It begins a day earlier, to know of one just before. */
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
