import fc from 'fast-check'
import { expect, test } from 'vitest'
import { InvalidCron, parseCron } from '../../shared/scheduling/schedule/cron/cron.ts'
import { nextWall, shortestGap } from '../../shared/scheduling/schedule/cron/cron-calendar.ts'
import { anyExpression } from './cron-arbitraries.ts'

const NEVER = Number.POSITIVE_INFINITY
const DAY = 86_400
const FROM = Date.UTC(2024, 0, 1)

const gapOf = (expression: string): number => shortestGap(parseCron(expression).calendar)

test.for([
  ['* * * * * *', 1],
  ['*/7 * * * * *', 4],
  ['* * * * *', 60],
  ['0,30 * * * *', 1800],
  ['58 59 * * * *', 3600],
  ['0,59 * * * *', 60],
  ['0 0,23 * * *', 3600],
  ['0 0,23 * * 1', 23 * 3600],
  ['0 0,23 31,1 * *', 3600],
  ['0 0,23 L,2 * *', 23 * 3600],
  ['@daily', DAY],
  ['0 0 * * 0,6', DAY],
  ['@weekly', NEVER],
  ['0 0 29 2 *', NEVER],
] as const)('the shortest gap of %s is %s seconds', ([expression, seconds]) => {
  expect(gapOf(expression)).toBe(seconds)
})

test('no two runs are closer than the shortest gap, and some are that close', () => {
  fc.assert(
    fc.property(anyExpression, (expression) => {
      const calendar = calendarOrSkip(expression)
      const gap = shortestGap(calendar)
      const found = shortestFound(calendar, gap)
      if (gap <= DAY) expect(found).toBe(gap)
      else expect(found).toBeGreaterThan(DAY)
    }),
    { numRuns: 2000 },
  )
})

function calendarOrSkip(expression: string) {
  try {
    return parseCron(expression).calendar
  } catch (error) {
    if (!(error instanceof InvalidCron)) throw error
    fc.pre(false)
    throw error
  }
}

/**
 * Walks through the matching times of up to 28 years, until a gap as short as `wanted` is found. Returns the shortest
 * gap found.
 */
function shortestFound(calendar: Parameters<typeof nextWall>[0], wanted: number): number {
  const until = FROM + 28 * 366 * DAY * 1000
  let shortest = NEVER
  let before = nextWall(calendar, FROM, until)
  while (before !== null && shortest > wanted) {
    const next = nextWall(calendar, before, until)
    if (next === null) break
    shortest = Math.min(shortest, (next - before) / 1000)
    before = next
  }
  return shortest
}
