import * as z from 'zod'

type Issue = z.core.$ZodRawIssue

const TYPES: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'an array',
  object: 'an object',
  record: 'an object',
  null: 'null',
}

/**
 * Returns what is wrong with a value, as words that follow the name of its field: `must be at least 1`. Zod calls it
 * for each issue whose schema doesn't have a message of its own.
 */
export function describeIssue(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return wrongType(issue)
    case 'invalid_value':
      return issue.values.length === 1
        ? `must be ${String(issue.values[0])}`
        : `must be one of ${issue.values.join(', ')}`
    case 'too_small':
      return issue.minimum === 1 && issue.origin in UNITS
        ? 'is empty'
        : `${verbOf(issue)} at least ${sizeOf(issue, issue.minimum)}`
    case 'too_big':
      return `${verbOf(issue)} at most ${sizeOf(issue, issue.maximum)}`
    case 'invalid_union':
      return anyOf(issue.errors)
    default:
      return 'is not valid'
  }
}

function wrongType({ expected, input, inst }: Issue & { code: 'invalid_type' }): string {
  if (input === undefined) return 'is required'
  if (typeof input === 'number' && !Number.isFinite(input)) return 'is too large'
  const isInt = inst instanceof z.ZodNumberFormat
  return `must be ${isInt ? TYPES.int : (TYPES[expected] ?? `a ${expected}`)}`
}

type Bound = Issue & { code: 'too_small' | 'too_big' }

const UNITS: Readonly<Record<string, string>> = { string: 'character', array: 'item' }

const verbOf = ({ origin }: Bound): string => (origin in UNITS ? 'must have' : 'must be')

function sizeOf({ origin }: Bound, size: number | bigint): string {
  const unit = UNITS[origin]
  if (unit === undefined) return String(size)
  return `${size} ${unit}${size === 1 ? '' : 's'}`
}

/** Describes a value that fits none of several types, such as `must be a string or an object`. */
function anyOf(branches: z.core.$ZodIssue[][]): string {
  const wanted = branches.flat().map(({ message }) => message.replace(/^must be /, ''))
  return `must be ${new Intl.ListFormat('en', { type: 'disjunction' }).format(new Set(wanted))}`
}
