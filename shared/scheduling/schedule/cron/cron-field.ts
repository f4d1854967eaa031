import { InvalidCron } from './invalid-cron.ts'

/** A day of a month. `weekday`: Sunday is 0. `lastDay`: the number of days in the month. */
export type MonthDay = { day: number; weekday: number; lastDay: number }

/**
 * `candidates`: all values that the rule may pick in any month. `minDay`: how many days a month must have for the rule
 * to match in it.
 */
export type DayRule = { candidates: number[]; minDay: number; matches: (date: MonthDay) => boolean }

/** `values` are sorted and unique; `text` is kept because `*` and a full range mean different things. */
export type Field = { text: string; values: number[]; rules: DayRule[] }

/** `max`: the largest value that may be written. `last`: the value at which `*` and an open step (`5/15`) end. */
export type FieldSpec = {
  name: string
  min: number
  max: number
  last: number
  names?: string[]
  rule?: (item: string, text: string, spec: FieldSpec) => DayRule | null
}

/** Reads one field, which must be in uppercase. Throws InvalidCron with a message that starts with the field's name. */
export function parseField(spec: FieldSpec, text: string): Field {
  const values = new Set<number>()
  const rules: DayRule[] = []
  for (const item of text.split(',')) {
    if (item === '') refuse(spec, `${text} has an empty list item`)
    const rule = spec.rule?.(item, text, spec) ?? null
    if (rule !== null) rules.push(rule)
    else for (const value of parseItem(spec, item)) values.add(value)
  }
  return { text, values: [...values].sort((a, b) => a - b), rules }
}

export function parseValue(spec: FieldSpec, text: string): number {
  const named = spec.names?.indexOf(text) ?? -1
  if (named >= 0) return named + spec.min
  if (text === '') refuse(spec, 'a number is missing next to -, / or #')
  if (text === '?') refuse(spec, '? is not supported; use *')
  if (!/^\d+$/.test(text))
    refuse(spec, `${text} is not a number${spec.names ? ' or a three-letter name' : ''}`)
  const value = Number(text)
  if (value < spec.min || value > spec.max) refuse(spec, `${text} is not in ${spec.min}-${spec.max}`)
  return value
}

export function refuse(spec: FieldSpec, problem: string): never {
  throw new InvalidCron(`${spec.name}: ${problem}`)
}

function parseItem(spec: FieldSpec, item: string): number[] {
  const [range = '', step, ...rest] = item.split('/')
  if (rest.length > 0) refuse(spec, `${item} has more than one step`)
  const [from, to] = parseRange(spec, range, step !== undefined)
  const width = step === undefined ? 1 : parseStep(spec, item, step)
  const count = Math.floor((to - from) / width) + 1
  return Array.from({ length: count }, (_, index) => wrapSunday(spec, from + index * width))
}

function parseRange(spec: FieldSpec, range: string, open: boolean): [from: number, to: number] {
  if (range === '*') return [spec.min, spec.last]
  const [low = '', high, ...rest] = range.split('-')
  if (rest.length > 0) refuse(spec, `${range} is not a range`)
  const from = parseValue(spec, low)
  if (high === undefined) return [from, open ? Math.max(from, spec.last) : from]
  const to = parseValue(spec, high)
  if (to < from) refuse(spec, `${range} runs backwards; use a list or two ranges`)
  return [from, to]
}

/**
 * Rejects a step wider than the field. It can only be a mistake: a step of 90 in the minute field would run hourly, not
 * every 90 minutes.
 */
function parseStep(spec: FieldSpec, item: string, step: string): number {
  const widest = spec.last - spec.min + 1
  if (!/^\d+$/.test(step)) refuse(spec, `the step of ${item} is not a number`)
  const width = Number(step)
  if (width < 1 || width > widest) refuse(spec, `the step of ${item} is not in 1-${widest}`)
  return width
}

function wrapSunday(spec: FieldSpec, value: number): number {
  return value > spec.last ? spec.min : value
}
