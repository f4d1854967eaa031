import { type Field, type FieldSpec, parseField } from './cron-field.ts'
import { dayOfMonthRule, dayOfWeekRule } from './day-rule.ts'
import { InvalidCron } from './invalid-cron.ts'

export type CronFields = Record<keyof typeof specs, Field>

const MAX_LENGTH = 256

const macros = new Map([
  ['@hourly', '0 * * * *'],
  ['@daily', '0 0 * * *'],
  ['@midnight', '0 0 * * *'],
  ['@weekly', '0 0 * * 0'],
  ['@monthly', '0 0 1 * *'],
  ['@yearly', '0 0 1 1 *'],
  ['@annually', '0 0 1 1 *'],
])

const monthNames = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC']
const dayNames = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT']
const longestMonth = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

const specs = {
  second: { name: 'second', min: 0, max: 59, last: 59 },
  minute: { name: 'minute', min: 0, max: 59, last: 59 },
  hour: { name: 'hour', min: 0, max: 23, last: 23 },
  dayOfMonth: { name: 'day-of-month', min: 1, max: 31, last: 31, rule: dayOfMonthRule },
  month: { name: 'month', min: 1, max: 12, last: 12, names: monthNames },
  dayOfWeek: { name: 'day-of-week', min: 0, max: 7, last: 6, names: dayNames, rule: dayOfWeekRule },
} satisfies Record<string, FieldSpec>

/**
 * Returns an expression with its macro expanded, in uppercase, and with single spaces between its fields.
 * Throws InvalidCron.
 */
export function normalizeExpression(expression: string): string {
  if (typeof expression !== 'string') throw new InvalidCron('a cron expression must be a string')
  if (expression.length > MAX_LENGTH)
    throw new InvalidCron(
      `the expression has ${expression.length} characters; at most ${MAX_LENGTH} are allowed`,
    )
  refuseOddCharacters(expression)
  const text = expression
    .replace(/[ \t]+/g, ' ')
    .trim()
    .toUpperCase()
  if (text === '') throw new InvalidCron('the expression is empty')
  return text.startsWith('@') ? expandMacro(text.toLowerCase()) : text
}

function refuseOddCharacters(expression: string): void {
  const at = expression.search(/[^\t\x20-\x7e]/)
  if (at < 0) return
  const code = (expression.codePointAt(at) ?? 0).toString(16).toUpperCase().padStart(4, '0')
  throw new InvalidCron(`character ${at + 1} (U+${code}) is not printable ASCII`)
}

function expandMacro(macro: string): string {
  const text = macros.get(macro)
  if (text === undefined) throw new InvalidCron(`${macro} is not one of ${[...macros.keys()].join(', ')}`)
  return text
}

/** Parses what `normalizeExpression` returns. Throws InvalidCron. */
export function parseFields(text: string): CronFields {
  const words = text.split(' ')
  if (words.length < 5 || words.length > 6)
    throw new InvalidCron(`expected five fields, or six with seconds first, but found ${words.length}`)
  const [dayOfWeek = '', month = '', dayOfMonth = '', hour = '', minute = '', second = '0'] = words.reverse()
  const fields = {
    second: parseField(specs.second, second),
    minute: parseField(specs.minute, minute),
    hour: parseField(specs.hour, hour),
    dayOfMonth: parseField(specs.dayOfMonth, dayOfMonth),
    month: parseField(specs.month, month),
    dayOfWeek: parseField(specs.dayOfWeek, dayOfWeek),
  }
  refuseNeverFiring(fields)
  return fields
}

function refuseNeverFiring({ dayOfMonth, month, dayOfWeek }: CronFields): void {
  if (dayOfWeek.text !== '*') return
  const firstDay = Math.min(...dayOfMonth.values, ...dayOfMonth.rules.map((rule) => rule.minDay))
  if (month.values.some((value) => firstDay <= (longestMonth[value - 1] ?? 0))) return
  throw new InvalidCron(`never fires: day ${firstDay} does not exist in month ${month.text}`)
}
