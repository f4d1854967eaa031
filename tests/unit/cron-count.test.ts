import fc from 'fast-check'
import { expect, test } from 'vitest'
import { runsBetween } from '../../shared/scheduling/schedule/cron/count.ts'
import {
  type Cron,
  InvalidCron,
  nextOccurrence,
  parseCron,
} from '../../shared/scheduling/schedule/cron/cron.ts'
import { anyExpression } from './cron-arbitraries.ts'

const HOUR = 3_600_000

const someZone = fc.constantFrom(...Intl.supportedValuesOf('timeZone'), 'UTC')
const someDate = fc.date({ min: new Date('1970-01-03'), max: new Date('2039-12-31'), noInvalidDate: true })

function parseOrSkip(expression: string): Cron {
  try {
    return parseCron(expression)
  } catch (error) {
    if (!(error instanceof InvalidCron)) throw error
    fc.pre(false)
    throw error
  }
}

/** Checks that counting finds the same runs as walking from one run to the next, even across clock changes. */
function expectAgreement(expression: string, zone: string, after: Date, hours: number): void {
  const cron = parseOrSkip(expression)
  const until = new Date(after.getTime() + hours * HOUR)
  const walked: number[] = []
  for (let at = nextOccurrence(cron, zone, after); at !== null && at <= until; ) {
    walked.push(at.getTime())
    fc.pre(walked.length < 1000)
    at = nextOccurrence(cron, zone, at)
  }
  const runs = runsBetween(cron, zone, after, until)
  expect(runs.count).toBe(walked.length)
  const probes = [0, 1, Math.floor(walked.length / 2), walked.length - 1].filter(
    (i) => i >= 0 && i < walked.length,
  )
  expect(probes.map(runs.at)).toEqual(probes.map((index) => walked[index]))
  for (const index of probes) {
    const at = walked[index] ?? 0
    expect([runs.before(at), runs.before(at + 1)]).toEqual([index, index + 1])
  }
}

test('counting finds the same runs as walking from run to run, in any zone', () => {
  const given = fc.property(
    anyExpression,
    someZone,
    someDate,
    fc.integer({ min: 1, max: 24 * 20 }),
    expectAgreement,
  )
  fc.assert(given, { numRuns: 60 })
})

const changes = [
  ['America/New_York', '2027-03-14T07:00:00Z'],
  ['America/New_York', '2027-11-07T06:00:00Z'],
  ['Australia/Lord_Howe', '2027-04-03T15:00:00Z'],
  ['Australia/Lord_Howe', '2027-10-02T15:30:00Z'],
  ['Africa/Casablanca', '2027-02-07T02:00:00Z'],
  ['Africa/Casablanca', '2027-03-14T02:00:00Z'],
  ['Pacific/Apia', '2011-12-30T10:00:00Z'],
  ['Pacific/Kwajalein', '1993-08-21T12:00:00Z'],
  ['America/Scoresbysund', '2024-03-31T01:00:00Z'],
] as const

test('counting finds the same runs as walking from run to run, around a clock change', () => {
  const near = fc.tuple(fc.constantFrom(...changes), fc.integer({ min: -30 * 3600, max: 3600 }))
  const given = fc.property(
    anyExpression,
    near,
    fc.integer({ min: 1, max: 40 }),
    (expression, [[zone, at], by], hours) =>
      expectAgreement(expression, zone, new Date(Date.parse(at) + by * 1000), hours),
  )
  fc.assert(given, { numRuns: 150 })
})

test('counts years of per-second runs', () => {
  const [after, until] = [new Date('2020-01-01T00:00:00Z'), new Date('2027-01-01T00:00:00Z')]
  const runs = runsBetween(parseCron('* * * * * *'), 'Europe/Berlin', after, until)
  expect(runs.count).toBe((until.getTime() - after.getTime()) / 1000)
  expect(new Date(runs.at(runs.count - 100))).toEqual(new Date('2026-12-31T23:58:21Z'))
})
