import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { instantIn, instantOut, parseInstant } from '../../shared/instant.ts'

describe('reads', () => {
  test.for([
    ['2027-03-28T01:02:03.456Z', '2027-03-28T01:02:03.456Z'],
    ['2027-03-28T01:02:03.456', '2027-03-28T01:02:03.456Z'],
    ['2027-03-28T01:02:03', '2027-03-28T01:02:03.000Z'],
    ['2027-03-28T01:02', '2027-03-28T01:02:00.000Z'],
    ['2027-03-28', '2027-03-28T00:00:00.000Z'],
    ['2027-03-28 01:02:03', '2027-03-28T01:02:03.000Z'],
    ['2027-03-28 01:02:03 +02:00', '2027-03-27T23:02:03.000Z'],
    ['2027-03-28t01:02:03z', '2027-03-28T01:02:03.000Z'],
    ['  2027-03-28T01:02:03Z\n', '2027-03-28T01:02:03.000Z'],
    ['2027-03-28T01:02:03.4Z', '2027-03-28T01:02:03.400Z'],
    ['2027-03-28T01:02:03,45Z', '2027-03-28T01:02:03.450Z'],
    ['2027-03-28T01:02:03.456789', '2027-03-28T01:02:03.456Z'],
    ['2027-03-28T01:02:03.999999999Z', '2027-03-28T01:02:03.999Z'],
    ['2027-03-28T01:02:03+05:30', '2027-03-27T19:32:03.000Z'],
    ['2027-03-28T01:02:03-0330', '2027-03-28T04:32:03.000Z'],
    ['2027-03-28T01:02:03+14', '2027-03-27T11:02:03.000Z'],
    ['2027-03-28T01:02:03-00:00', '2027-03-28T01:02:03.000Z'],
    ['2028-02-29T23:59:59Z', '2028-02-29T23:59:59.000Z'],
    ['1000-01-01T00:00:00Z', '1000-01-01T00:00:00.000Z'],
    ['0999-12-31T23:59:59-00:01', '1000-01-01T00:00:59.000Z'],
    ['9999-12-31T23:59:59.999Z', '9999-12-31T23:59:59.999Z'],
  ] as const)('%j as %s', ([text, expected]) => {
    expect(parseInstant(text)?.toISOString()).toBe(expected)
  })

  test('every timestamp in the supported years, with any offset', () => {
    const years = { min: new Date('1000-01-02T00:00:00Z'), max: new Date('9999-12-30T23:59:59.999Z') }
    const offset = fc.integer({ min: -23 * 60 - 59, max: 23 * 60 + 59 })
    fc.assert(
      fc.property(fc.date({ ...years, noInvalidDate: true }), offset, (instant, minutes) => {
        expect(parseInstant(inOffset(instant, minutes))).toEqual(instant)
      }),
      { numRuns: 2000 },
    )
  })
})

function inOffset(instant: Date, minutes: number): string {
  const wall = new Date(instant.getTime() + minutes * 60_000).toISOString().slice(0, -1)
  const [hour, minute] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60]
  const two = (n: number) => String(n).padStart(2, '0')
  return `${wall}${minutes < 0 ? '-' : '+'}${two(hour)}:${two(minute)}`
}

describe('rejects', () => {
  test.for([
    '',
    ' ',
    'now',
    '1800000000',
    '20270328T010203Z',
    '2027-3-28',
    '27-03-28',
    '2027-03',
    '2027-087',
    '2027-W12-7',
    '2027-03-28T01',
    '2027-03-28T1:02:03Z',
    '2027-03-28T01:02:03.',
    '2027-03-28T01:02:03.1234567890Z',
    '2027-03-28T01:02:03ZZ',
    '2027-03-28T01:02:03+2',
    '2027-03-28T01:02:03 CET',
    '2027-03-28Z',
    '٢٠٢٧-03-28T01:02:03Z',
    '2027-03-28T01:02:03\u2212' + '02:00',
    '+002027-03-28T01:02:03Z',
    '-000001-01-01T00:00:00Z',
    '+275760-09-13T00:00:00Z',
    '2027-03-28T01:02:03Z\0',
    '2027-03-28T01:02:03Z; drop table tasks',
  ])('%j, which is not an ISO 8601 timestamp', (text) => {
    expect(parseInstant(text)).toBeNull()
  })

  test.for([
    '2027-00-01',
    '2027-13-01',
    '2027-01-00',
    '2027-01-32',
    '2027-02-29',
    '2027-04-31',
    '2027-01-01T24:00:00Z',
    '2027-01-01T00:60:00Z',
    '2027-01-01T23:59:60Z',
    '2027-01-01T00:00:00+24:00',
    '2027-01-01T00:00:00+00:60',
  ])('%s, which has a part that is out of range', (text) => {
    expect(parseInstant(text)).toBeNull()
  })

  test.for([
    '0000-01-01T00:00:00Z',
    '0001-01-01T00:00:00+14:00',
    '0099-12-31T23:59:59Z',
    '0999-12-31T23:59:59.999Z',
    '1000-01-01T00:00:00+00:01',
    '9999-12-31T23:59:59-00:01',
  ])('%s, which would not survive a round trip to the database', (text) => {
    expect(parseInstant(text)).toBeNull()
  })

  test('any year that JavaScript would not print with four digits', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'0123456789-+:TZ. ') }), (text) => {
        const instant = parseInstant(text)
        if (instant) expect(instant.toISOString()).toMatch(/^[1-9]\d{3}-/)
      }),
    )
  })
})

describe('a timestamp in a request', () => {
  test('becomes a Date', () => {
    expect(instantIn.parse('2027-03-28T01:00:00')).toEqual(new Date('2027-03-28T01:00:00Z'))
  })

  test.for([[null], [1_800_000_000_000], ['soon'], [new Date(0)], [`2027-03-28${' '.repeat(31)}`]])(
    'cannot be %j',
    ([value]) => {
      expect(instantIn.safeParse(value).success).toBe(false)
    },
  )
})

test('a timestamp in a response has milliseconds and a Z', () => {
  expect(instantOut.safeParse(new Date(0).toISOString()).success).toBe(true)
  expect(instantOut.safeParse('2027-03-28T01:00:00+02:00').success).toBe(false)
})
