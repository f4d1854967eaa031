import { Cron as Croner } from 'croner'
import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { InvalidCron, nextOccurrence, parseCron } from '../../shared/scheduling/schedule/cron/cron.ts'
import { anyExpression, clockFollowing, fixedTime, oncePerDay } from './cron-arbitraries.ts'

// These tests take several seconds, and much longer on a busy machine.
vi.setConfig({ testTimeout: 180_000 })

const HOUR = 3_600_000
const DAY = 24 * HOUR
const zones = [...Intl.supportedValuesOf('timeZone'), 'UTC']
const someZone = fc.constantFrom(...zones)
const someDate = fc.date({ min: new Date('1970-01-02'), max: new Date('2099-12-31'), noInvalidDate: true })

type Change = { zone: string; at: number; offsetBefore: number; offsetAfter: number }

const changes = zones.flatMap((zone) => changesOf(zone, Date.UTC(2024, 0, 1), Date.UTC(2031, 0, 1)))
const someChange = fc.constantFrom(...changes)

/** Returns a function that computes offsets independently of zone.ts, from the parts of the wall clock. */
function offsetReader(zone: string): (instant: number) => number {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
  return (instant) => {
    const [month = 0, day = 0, year = 0, hour, minute, second] =
      format.format(instant).match(/\d+/g)?.map(Number) ?? []
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(instant / 1000) * 1000
  }
}

function changesOf(zone: string, from: number, to: number): Change[] {
  const offsetAt = offsetReader(zone)
  const found: Change[] = []
  for (let day = from; day < to; day += DAY) {
    const offsetBefore = offsetAt(day)
    if (offsetAt(day + DAY) === offsetBefore) continue
    let at = day
    while (offsetAt(at) === offsetBefore) at += HOUR / 4
    found.push({ zone, at, offsetBefore, offsetAfter: offsetAt(at) })
  }
  return found
}

function ourRuns(expression: string, zone: string, after: number, until: number, limit = 5_000): number[] {
  const cron = parseCron(expression)
  return walk((at) => nextOccurrence(cron, zone, at), after, until, limit)
}

function cronerRuns(expression: string, zone: string, after: number, until: number, limit = 5_000): number[] {
  const croner = new Croner(expression, { timezone: zone, paused: true })
  return walk((at) => croner.nextRun(at), after, until, limit)
}

function walk(next: (at: Date) => Date | null, after: number, until: number, limit: number): number[] {
  const runs: number[] = []
  for (
    let at = next(new Date(after));
    at !== null && at.getTime() <= until && runs.length < limit;
    at = next(at)
  )
    runs.push(at.getTime())
  return runs
}

/**
 * Applies the policy minute by minute across one clock change, with croner in UTC as the calendar. Croner's own policy
 * differs for a fixed time with several runs around a change, so croner can't provide the expected runs.
 */
function policyRuns(
  expression: string,
  change: Change,
  after: number,
  until: number,
  followsClock: boolean,
): number[] {
  const { at, offsetBefore, offsetAfter } = change
  const wallFrom = after + Math.min(offsetBefore, offsetAfter)
  const matching = new Set(
    cronerRuns(expression, 'UTC', wallFrom - 1, until + Math.max(offsetBefore, offsetAfter)),
  )
  const gap = { from: at + offsetBefore, to: at + offsetAfter }
  const inGap = [...matching].some((wall) => wall >= gap.from && wall < gap.to)
  const runs: number[] = []
  for (let instant = after + 60_000; instant <= until; instant += 60_000) {
    const wall = instant + (instant < at ? offsetBefore : offsetAfter)
    const secondPass = instant >= at && wall < at + offsetBefore
    const madeUp = instant === at && inGap
    if (followsClock ? matching.has(wall) : madeUp || (matching.has(wall) && !secondPass)) runs.push(instant)
  }
  return runs
}

function comparePolicy(expression: string, change: Change, followsClock: boolean): void {
  const [after, until] = [change.at - 2.5 * HOUR, change.at + 2.5 * HOUR]
  const expected = policyRuns(expression, change, after, until, followsClock)
  expect(ourRuns(expression, change.zone, after, until)).toEqual(expected)
}

function orNeverFires<T>(work: () => T): T | null {
  try {
    return work()
  } catch (error) {
    if (error instanceof InvalidCron && error.message.includes('never fires')) return null
    throw error
  }
}

describe('agrees with croner', () => {
  test('on the calendar in UTC', () => {
    const same = fc.property(anyExpression, someDate, (expression, date) => {
      const [from, until] = [date.getTime(), date.getTime() + 12 * 366 * DAY]
      const ours = orNeverFires(() => ourRuns(expression, 'UTC', from, until, 2)) ?? []
      expect(ours).toEqual(cronerRuns(expression, 'UTC', from, until, 2))
    })
    fc.assert(same, { numRuns: 6_000 })
  })

  // One case is excluded: croner loses a daily run that a gap moves past midnight (America/Nuuk, 23:00). The policy
  // test below covers that case.
  test('on daily runs and clock-following schedules, at every clock change of every zone', () => {
    const overMidnight = ({ at, offsetBefore, offsetAfter }: Change) =>
      offsetAfter > offsetBefore && new Date(at + offsetBefore).getUTCHours() >= 21
    const compare = (expression: string, { zone, at }: Change, hours: number) => {
      const [after, until] = [at - hours * HOUR, at + hours * HOUR]
      expect(ourRuns(expression, zone, after, until)).toEqual(cronerRuns(expression, zone, after, until))
    }
    const dailies = fc.sample(oncePerDay, changes.length)
    const comparable = changes.filter((change) => !overMidnight(change))
    for (const [index, change] of comparable.entries()) compare(dailies[index] ?? '', change, 26)
    fc.assert(
      fc.property(clockFollowing, someChange, (expression, change) => compare(expression, change, 4)),
      { numRuns: 400 },
    )
  })

  test('in any zone, away from clock changes', () => {
    const same = fc.property(anyExpression, someZone, someDate, (expression, zone, date) => {
      const [from, to] = [date.getTime(), date.getTime() + 10 * DAY]
      fc.pre(changesOf(zone, from - DAY, to + DAY).length === 0)
      const ours = orNeverFires(() => ourRuns(expression, zone, from, to, 3)) ?? []
      expect(ours).toEqual(cronerRuns(expression, zone, from, to, 3))
    })
    fc.assert(same, { numRuns: 1_000 })
  })
})

describe('at every clock change from 2024 to 2030, in every zone', () => {
  test('a fixed time runs once: right after a gap, or in the first pass of a repeated hour', () => {
    const expressions = fc.sample(fixedTime, changes.length)
    for (const [index, change] of changes.entries()) comparePolicy(expressions[index] ?? '', change, false)
  })

  test('a clock-following schedule runs whenever the clock shows one of its times', () => {
    const expressions = fc.sample(clockFollowing, changes.length)
    for (const [index, change] of changes.entries()) comparePolicy(expressions[index] ?? '', change, true)
  })
})

test('the next run is after the start of the search, and a search that starts at any time in between also finds it', () => {
  const anywhere = fc.oneof(
    fc.tuple(
      someZone,
      someDate.map((date) => date.getTime()),
    ),
    fc
      .tuple(someChange, fc.integer({ min: -3 * HOUR, max: 3 * HOUR }))
      .map(([change, shift]): [string, number] => [change.zone, change.at + shift]),
  )
  const expression = fc.oneof(anyExpression, fixedTime, clockFollowing)
  const share = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
  const property = fc.property(expression, anywhere, share, (text, [zone, after], part) => {
    const cron = orNeverFires(() => parseCron(text))
    const run = cron && nextOccurrence(cron, zone, new Date(after))?.getTime()
    if (cron === null || run === null || run === undefined) return
    expect(run).toBeGreaterThan(after)
    const between = new Date(after + Math.floor((run - after) * part))
    expect(nextOccurrence(cron, zone, between)?.getTime()).toBe(run)
    expect(nextOccurrence(cron, zone, new Date(run - 1))?.getTime()).toBe(run)
  })
  fc.assert(property, { numRuns: 5_000 })
})
