import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { clockChangeNote } from '../../shared/scheduling/schedule/cron/clock-change-note.ts'
import {
  describeCron,
  InvalidCron,
  nextOccurrence,
  parseCron,
} from '../../shared/scheduling/schedule/cron/cron.ts'
import { anyExpression } from './cron-arbitraries.ts'

function runs(expression: string, zone: string, after: string, count: number): string[] {
  const cron = parseCron(expression)
  const found: string[] = []
  let at: Date | null = new Date(after)
  while (at !== null && found.length < count) {
    at = nextOccurrence(cron, zone, at)
    found.push(at === null ? 'never' : at.toISOString().replace('.000Z', ''))
  }
  return found
}

function note(expression: string, zone: string, at: string): string | null {
  return clockChangeNote(parseCron(expression), zone, new Date(at))
}

describe('nextOccurrence', () => {
  test.each([
    [
      'runs once for all times in a gap, then at the regular times',
      '0,15,30 2-3 * * *',
      'Europe/Berlin',
      '2026-03-29T00:59:00Z',
      ['2026-03-29T01:00:00', '2026-03-29T01:15:00', '2026-03-29T01:30:00', '2026-03-30T00:00:00'],
    ],
    [
      'runs after a half-hour gap',
      '15 2 * * *',
      'Australia/Lord_Howe',
      '2026-10-03T00:00:00Z',
      ['2026-10-03T15:30:00', '2026-10-04T15:15:00'],
    ],
    [
      'runs after a gap that starts at 23:00 and ends at midnight',
      '30 23 * * *',
      'America/Nuuk',
      '2026-03-28T12:00:00Z',
      ['2026-03-29T01:00:00', '2026-03-30T00:30:00'],
    ],
    [
      'runs after a gap that starts at midnight',
      '0 0 * * *',
      'America/Havana',
      '2026-03-08T00:00:00Z',
      ['2026-03-08T05:00:00', '2026-03-09T04:00:00'],
    ],
    [
      'runs once for all seconds of a minute in a gap',
      '* 30 2 * * *',
      'Europe/Berlin',
      '2026-03-29T00:00:00Z',
      ['2026-03-29T01:00:00', '2026-03-30T00:30:00'],
    ],
    [
      'runs after a gap that starts at 02:45',
      '0 3 * * *',
      'Pacific/Chatham',
      '2026-09-26T00:00:00Z',
      ['2026-09-26T14:00:00', '2026-09-27T13:15:00'],
    ],
    [
      'does not run on a day that was skipped at the date line',
      '0 12 * * *',
      'Pacific/Apia',
      '2011-12-29T12:00:00Z',
      ['2011-12-29T22:00:00', '2011-12-30T22:00:00'],
    ],
    [
      'runs at an offset with seconds, and after a gap of 44:30 minutes',
      '30 0 * * *',
      'Africa/Monrovia',
      '1972-01-06T00:00:00Z',
      ['1972-01-06T01:14:30', '1972-01-07T00:44:30', '1972-01-08T00:30:00'],
    ],
    [
      'does not run in the second pass, even if the search starts in that pass',
      '30 1 * * *',
      'Europe/London',
      '2026-10-25T01:10:00Z',
      ['2026-10-26T01:30:00'],
    ],
    [
      'runs only in the first pass of a repeated day',
      '0 12 * * *',
      'America/Juneau',
      '1867-10-17T20:00:00Z',
      ['1867-10-17T20:57:41', '1867-10-18T20:57:41', '1867-10-20T20:57:41'],
    ],
    [
      'runs in both passes of a repeated hour',
      '*/30 1 * * *',
      'Europe/London',
      '2026-10-25T00:00:00Z',
      ['2026-10-25T00:30:00', '2026-10-25T01:00:00', '2026-10-25T01:30:00', '2026-10-26T01:00:00'],
    ],
    [
      'runs in both passes of a repeated half hour',
      '*/15 * * * *',
      'Australia/Lord_Howe',
      '2027-04-03T14:25:00Z',
      [
        '2027-04-03T14:30:00',
        '2027-04-03T14:45:00',
        '2027-04-03T15:00:00',
        '2027-04-03T15:15:00',
        '2027-04-03T15:30:00',
      ],
    ],
    [
      'never runs if the minute starts with * and all times fall into gaps',
      '*/15 1 * 3 0L',
      'Europe/London',
      '2026-01-01T00:00:00Z',
      ['never'],
    ],
    [
      'finds a fifth Monday in February that is 40 years away, past 2100',
      '0 0 * 2 1#5',
      'UTC',
      '2072-02-29T00:00:00Z',
      ['2112-02-29T00:00:00'],
    ],
    [
      'finds two consecutive fifth Mondays in February',
      '0 0 * 2 1#5',
      'UTC',
      '2072-02-28T23:59:59Z',
      ['2072-02-29T00:00:00', '2112-02-29T00:00:00'],
    ],
    [
      'never runs after the last date that JavaScript can represent',
      '* * * * *',
      'America/New_York',
      '+275760-09-13T00:00:00Z',
      ['never'],
    ],
    [
      'runs after the first date that JavaScript can represent',
      '* * * * *',
      'America/New_York',
      '-271821-04-20T00:00:00Z',
      ['-271821-04-20T04:57:02'],
    ],
  ])('%s: %s in %s', (_what, expression, zone, after, expected) => {
    expect(runs(expression, zone, after, expected.length)).toEqual(expected)
  })
})

test('throws a RangeError for an unknown zone or an invalid date instead of returning a wrong run', () => {
  const cron = parseCron('0 0 * * *')
  expect(() => nextOccurrence(cron, 'Mars/Olympus', new Date(0))).toThrow(RangeError)
  expect(() => nextOccurrence(cron, '', new Date(0))).toThrow(RangeError)
  expect(() => nextOccurrence(cron, 'UTC', new Date(Number.NaN))).toThrow(RangeError)
})

describe('clockChangeNote', () => {
  test.each([
    [
      '30 2 * * *',
      'Europe/Berlin',
      '2026-03-29T01:00:00Z',
      '02:30 does not exist on this day; it runs right after the gap, at 03:00',
    ],
    ['30 2 * * *', 'Europe/Berlin', '2026-03-30T00:30:00Z', null],
    ['0 3 * * *', 'Europe/Berlin', '2026-03-29T01:00:00Z', null],
    [
      '*/30 * * * *',
      'Europe/Berlin',
      '2026-03-29T01:00:00Z',
      'the clock skips from 2026-03-29 02:00 to 2026-03-29 03:00; nothing runs for that gap',
    ],
    ['*/30 * * * *', 'Europe/Berlin', '2026-03-29T01:30:00Z', null],
    [
      '0 12 * * *',
      'Pacific/Apia',
      '2011-12-30T22:00:00Z',
      'the clock skips from 2011-12-30 00:00 to 2011-12-31 00:00; nothing runs for that gap',
    ],
    [
      '30 1 * * *',
      'Europe/London',
      '2026-10-25T00:30:00Z',
      '01:30 happens twice on this day; it runs only the first time',
    ],
    [
      '*/30 * * * *',
      'Europe/London',
      '2026-10-25T01:30:00Z',
      '01:30 happens twice on this day; it runs both times',
    ],
    [
      '15 30 1 * * *',
      'Europe/London',
      '2026-10-25T00:30:15Z',
      '01:30:15 happens twice on this day; it runs only the first time',
    ],
    ['30 2 * * *', 'UTC', '2026-03-29T02:30:00Z', null],
  ])('%s in %s at %s: %s', (expression, zone, at, expected) => {
    expect(note(expression, zone, at)).toBe(expected)
  })
})

test('describeCron describes every expression that parseCron accepts', () => {
  const words = fc.property(anyExpression, (expression) => {
    try {
      expect(describeCron(expression).length).toBeGreaterThan(4)
    } catch (error) {
      if (!(error instanceof InvalidCron)) throw error
    }
  })
  fc.assert(words, { numRuns: 3_000 })
})
