import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  describeCron,
  InvalidCron,
  isTimeZone,
  nextOccurrence,
  parseCron,
} from '../../shared/scheduling/schedule/cron/cron.ts'

function messageOf(expression: string): string {
  try {
    parseCron(expression)
  } catch (error) {
    if (error instanceof InvalidCron) return error.message
    throw error
  }
  return 'accepted'
}

function nextDays(expression: string, after: string, count = 4): string[] {
  const runs: string[] = []
  for (let at = new Date(after); runs.length < count; ) {
    at = nextOccurrence(parseCron(expression), 'UTC', at) ?? new Date(Number.NaN)
    runs.push(at.toISOString().slice(0, 10))
  }
  return runs
}

describe('parseCron', () => {
  test.each([
    ['60 * * * *', 'minute: 60 is not in 0-59'],
    ['* * * * * 8', 'day-of-week: 8 is not in 0-7'],
    ['0 0 0 * *', 'day-of-month: 0 is not in 1-31'],
    ['-5 * * * *', 'minute: a number is missing next to -, / or #'],
    ['0 0 * * SAT-MON', 'day-of-week: SAT-MON runs backwards; use a list or two ranges'],
    ['*/90 * * * *', 'minute: the step of */90 is not in 1-60'],
    ['*/99999999999999999999 * * * *', 'minute: the step of */99999999999999999999 is not in 1-60'],
    ['1/2/3 * * * *', 'minute: 1/2/3 has more than one step'],
    ['0 0 ? * 1', 'day-of-month: ? is not supported; use *'],
    ['0 0 * FOO *', 'month: FOO is not a number or a three-letter name'],
    ['0 0 1,,2 * *', 'day-of-month: 1,,2 has an empty list item'],
    ['0 0 1W,15 * *', "day-of-month: 1W can't be part of a list"],
    ['0 0 L-3 * *', 'day-of-month: L is not a number'],
    ['0 0 1-5W * *', 'day-of-month: 5W is not a number'],
    ['0 0 * * 1-5#2', 'day-of-week: 1-5 is not a number or a three-letter name'],
    ['0 0 * * 1#6', 'day-of-week: the value after # in 1#6 is not in 1-5'],
    ['0 0 * * L', 'day-of-week: L needs a weekday before it, as in 5L'],
    ['0 0 31W 2,4 *', 'never fires: day 31 does not exist in month 2,4'],
    ['٣ * * * *', 'character 1 (U+0663) is not printable ASCII'],
    ['* * * * *\n', 'character 10 (U+000A) is not printable ASCII'],
    ['  ', 'the expression is empty'],
    ['* * * *', 'expected five fields, or six with seconds first, but found 4'],
    ['@reboot', '@reboot is not one of @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually'],
    [`* * * * *${' '.repeat(248)}`, 'the expression has 257 characters; at most 256 are allowed'],
  ])('rejects %j: %s', (expression, message) => {
    expect(messageOf(expression)).toBe(message)
  })

  test.each([
    ['5,5 * * * *', '5 * * * *'],
    ['0 0 * * 0,7', '0 0 * * SUN'],
    ['\t 0  0\t* * sun ', '0 0 * * 0'],
    ['@MidNight', '0 0 * * *'],
    ['05 00 1 jan *', '5 0 1 1 *'],
    ['0 0 * * fril', '0 0 * * 5L'],
    ['0 0 l * *', '0 0 L * *'],
    ['0 0 * * 7#2', '0 0 * * sun#2'],
    ['0 0 0 1 * *', '0 0 1 * *'],
    ['0 0 * * 2/2', '0 0 * * 2,4,6'],
    ['0 0 * * 5-7', '0 0 * * 5,6,0'],
  ])('reads %j as %j', (one, other) => {
    expect(nextDays(one, '2026-01-07T12:00:00Z')).toEqual(nextDays(other, '2026-01-07T12:00:00Z'))
  })

  test.each([
    ['0 0 LW * *', ['2026-01-30', '2026-02-27', '2026-03-31', '2026-04-30']],
    ['0 0 31W * *', ['2026-01-30', '2026-03-31', '2026-05-29', '2026-07-31']],
    ['0 0 1W * *', ['2026-01-01', '2026-02-02', '2026-03-02', '2026-04-01']],
    ['0 0 29W 2 *', ['2028-02-29', '2032-02-27', '2036-02-29', '2040-02-29']],
    ['0 0 * * 1#1,3#2', ['2026-01-05', '2026-01-14', '2026-02-02', '2026-02-11']],
    ['0 0 L * 5L', ['2026-01-30', '2026-01-31', '2026-02-27', '2026-02-28']],
    ['0 0 15W * 2#1', ['2026-01-06', '2026-01-15', '2026-02-03', '2026-02-16']],
    ['0 0 */10 * 1', ['2026-01-01', '2026-01-05', '2026-01-11', '2026-01-12']],
    ['0 0 30 2 1', ['2026-02-02', '2026-02-09', '2026-02-16', '2026-02-23']],
  ])('%s fires on the right days', (expression, days) => {
    expect(nextDays(expression, '2025-12-31T12:00:00Z')).toEqual(days)
  })

  test('never throws anything but InvalidCron, whatever the text, and never takes long', () => {
    const alphabet = [
      ...'0123456789*,-/#LWHlw? @?\t\n%~()[]{}"\'\\.+_$^&|<>:;=!٣０①é\u0000\u200b',
      'MON',
      'jan',
      '__proto__',
      '1e9',
      '  ',
    ]
    const words = [
      '*',
      '5',
      '07',
      '1-5',
      '*/2',
      '1/3',
      'L',
      'LW',
      '9W',
      '1#2',
      '5L',
      '61',
      '5-1',
      'FRI',
      'jul',
      '1,,2',
      '*/0',
    ]
    const junk = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.array(fc.constantFrom(...alphabet), { maxLength: 60 }).map((parts) => parts.join('')),
      fc.array(fc.constantFrom(...words), { minLength: 4, maxLength: 7 }).map((parts) => parts.join(' ')),
    )
    let accepted = 0
    const check = (expression: string) => {
      if (messageOf(expression) === 'accepted') accepted += 1
    }
    fc.assert(fc.property(junk, check), { numRuns: 20_000 })
    console.log(`20000 junk expressions; ${accepted} of them happen to be valid`)
  })

  test('rejects values that are not strings', () => {
    for (const value of [null, undefined, 5, {}, ['* * * * *']])
      expect(() => parseCron(value as unknown as string)).toThrow(InvalidCron)
  })
})

test('describeCron describes an expression, and rejects expressions that parseCron rejects', () => {
  expect(describeCron('@daily')).toBe('At 00:00')
  expect(describeCron('30 2 * * mon-fri')).toBe('At 02:30, Monday through Friday')
  expect(() => describeCron('60 * * * *')).toThrow(InvalidCron)
})

test('isTimeZone accepts only IANA names', () => {
  const names = Intl.supportedValuesOf('timeZone')
  expect(names.filter((name) => !isTimeZone(name))).toEqual([])
  expect(['UTC', 'Etc/GMT+5', 'US/Pacific'].map(isTimeZone)).toEqual([true, true, true])
  const wrong = [
    '',
    ' ',
    '+02:00',
    '-0500',
    'Z',
    'Mars/Olympus',
    'Europe/London ',
    '__proto__',
    'GMT+5',
    'local',
  ]
  expect(wrong.filter(isTimeZone)).toEqual([])
})
