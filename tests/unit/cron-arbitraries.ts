import fc from 'fast-check'

type Range = { min: number; max: number; names?: string[] }

const months = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC']
const weekdays = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT']
const sixty: Range = { min: 0, max: 59 }
const hours: Range = { min: 0, max: 23 }

function plainItem({ min, max, names }: Range): fc.Arbitrary<string> {
  const value = fc.integer({ min, max })
  const pair = fc.tuple(value, value).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`)
  const step = fc.integer({ min: 1, max: max - min })
  const plain = fc.oneof(
    value.map(String),
    pair,
    fc.tuple(pair, step).map(([range, width]) => `${range}/${width}`),
  )
  return names ? fc.oneof(plain, fc.constantFrom(...names)) : plain
}

function field(range: Range, special: fc.Arbitrary<string>[] = []): fc.Arbitrary<string> {
  const step = fc.integer({ min: 1, max: range.max - range.min }).map((width) => `*/${width}`)
  const list = fc.array(plainItem(range), { minLength: 1, maxLength: 3 }).map((items) => items.join(','))
  return fc.oneof(fc.constant('*'), step, list, ...special)
}

const dayOfMonth = field({ min: 1, max: 31 }, [
  fc.constantFrom('L', 'LW', '10,L'),
  fc.integer({ min: 1, max: 31 }).map((day) => `${day}W`),
])
const dayOfWeek = field({ min: 0, max: 7, names: weekdays }, [
  fc.integer({ min: 0, max: 7 }).map((day) => `${day}L`),
  fc
    .tuple(fc.integer({ min: 0, max: 7 }), fc.integer({ min: 1, max: 5 }))
    .map(([day, nth]) => `${day}#${nth}`),
  fc.constantFrom('1#1,3#2', '2#1,5', 'FRI#3,SUNL'),
])
const month = field({ min: 1, max: 12, names: months })
const anyDay = fc.constant('* * *')
const days = fc.oneof(
  fc.tuple(dayOfMonth, month, dayOfWeek).map((words) => words.join(' ')),
  dayOfWeek.map((word) => `* * ${word}`),
  anyDay,
)

function expressionOf(...parts: fc.Arbitrary<string>[]): fc.Arbitrary<string> {
  return fc.tuple(...parts).map((words) => words.join(' '))
}

/** Expressions that both this parser and croner accept (croner rejects `5/15`). Some of them never fire. */
export const anyExpression = fc.oneof(
  expressionOf(field(sixty), field(hours), days),
  expressionOf(field(sixty), field(sixty), field(hours), days),
)

const some = (max: number) =>
  fc
    .uniqueArray(fc.integer({ min: 0, max }), { minLength: 1, maxLength: 4 })
    .map((values) => values.join(','))

/** `*` is rare because comparing one run per minute takes ten times as long. */
const star = fc.oneof(
  { weight: 1, arbitrary: fc.constant('*') },
  { weight: 5, arbitrary: fc.integer({ min: 4, max: 30 }).map((width) => `*/${width}`) },
)
const starHour = fc.oneof(
  fc.constant('*'),
  fc.integer({ min: 1, max: 12 }).map((width) => `*/${width}`),
)

/** Expressions whose minute or hour starts with `*`. They fire often enough to hit any clock change. */
export const clockFollowing = fc.oneof(
  expressionOf(star, field(hours), anyDay),
  expressionOf(some(59), starHour, anyDay),
)

/** Expressions whose minute and hour don't start with `*`. Hours in which clocks change are chosen more often. */
export const fixedTime = expressionOf(
  fc.oneof(some(59), fc.constantFrom('0', '30', '0-59', '15-45/10')),
  fc.oneof(some(23), some(4), fc.constantFrom('0-23', '1-3', '23,0,1', '0,1,2,3')),
  fc.oneof(anyDay, fc.constant('* * 0,1,6')),
)

/** Expressions that run once a day. */
export const oncePerDay = expressionOf(
  fc.integer({ min: 0, max: 59 }).map(String),
  fc.oneof(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 23 })).map(String),
  anyDay,
)
