import { type DayRule, type FieldSpec, type MonthDay, parseValue, refuse } from './cron-field.ts'

const SATURDAY = 6

/**
 * Reads `L` (the last day of the month), `LW` (its last working day) and `15W` (the working day nearest the 15th).
 * Returns null for anything else.
 */
export function dayOfMonthRule(item: string, text: string, spec: FieldSpec): DayRule | null {
  if (item === 'L')
    return { candidates: [28, 29, 30, 31], minDay: 1, matches: (date) => date.day === date.lastDay }
  const near = /^(L|\d+)W$/.exec(item)?.[1]
  if (near === undefined) return null
  if (item !== text) refuse(spec, `${item} can't be part of a list`)
  if (near === 'L') return workingDayRule(31, [26, 27, 28, 29, 30, 31], 1)
  const day = parseValue(spec, near)
  const around = [day - 2, day - 1, day, day + 1, day + 2].filter((value) => value >= 1 && value <= 31)
  return workingDayRule(day, around, day)
}

/** Reads `5L` (last Friday) and `1#2` (second Monday). Returns null for anything else. */
export function dayOfWeekRule(item: string, _text: string, spec: FieldSpec): DayRule | null {
  if (item === 'L') refuse(spec, 'L needs a weekday before it, as in 5L')
  const last = /^([^#]+)L$/.exec(item)?.[1]
  if (last !== undefined)
    return weekdayRule(parseValue(spec, last) % 7, (date) => date.day > date.lastDay - 7)
  const [weekday = '', nth] = item.split(/#(.*)/)
  if (nth === undefined) return null
  if (!/^[1-5]$/.test(nth)) refuse(spec, `the value after # in ${item} is not in 1-5`)
  return weekdayRule(parseValue(spec, weekday) % 7, (date) => Math.ceil(date.day / 7) === Number(nth))
}

function weekdayRule(weekday: number, inMonth: DayRule['matches']): DayRule {
  return {
    candidates: [weekday],
    minDay: 1,
    matches: (date) => date.weekday === weekday && inMonth(date),
  }
}

function workingDayRule(day: number, candidates: number[], minDay: number): DayRule {
  return {
    candidates,
    minDay,
    matches: (date) =>
      minDay <= date.lastDay && date.day === workingDayNear(Math.min(day, date.lastDay), date),
  }
}

/**
 * Returns the working day nearest to `day` in the same month: if the 1st is a Saturday, that is Monday the 3rd; if the
 * 31st is a Sunday, it is Friday the 29th.
 */
function workingDayNear(day: number, date: MonthDay): number {
  const weekday = (date.weekday + day - date.day + 35) % 7
  if (weekday === SATURDAY) return day === 1 ? 3 : day - 1
  if (weekday === 0) return day === date.lastDay ? day - 2 : day + 1
  return day
}
