import * as z from 'zod'
import { describeIssue } from './describe-issue.ts'
import { invalid, PROBLEMS_SHOWN, type Problem } from './errors.ts'
import { nearest } from './nearest.ts'

/** Validates a body with the schema that the documentation is generated from. Throws `invalid`. */
export function parseBody<Schema extends z.ZodType>(
  schema: Schema,
  body: unknown,
  immutable: readonly string[] = [],
): z.output<Schema> {
  return parse(schema, body, (path) => ({ pointer: toPointer(path) }), immutable)
}

export function parseParameters<Schema extends z.ZodType>(
  schema: Schema,
  parameters: Record<string, unknown>,
): z.output<Schema> {
  return parse(schema, parameters, (path) => ({ parameter: String(path[0] ?? '') }))
}

function parse<Schema extends z.ZodType>(
  schema: Schema,
  input: unknown,
  place: (path: PropertyKey[]) => Place,
  immutable: readonly string[] = [],
): z.output<Schema> {
  const unstorable = findUnstorable(input)
  if (unstorable) throw invalid([{ ...place(unstorable.path), detail: unstorable.detail }])
  const parsed = schema.safeParse(input, { error: describeIssue })
  if (parsed.success) return parsed.data
  const known = schema instanceof z.ZodObject ? Object.keys(schema.shape) : []
  throw invalid(problemsOf(parsed.error, place, { known, immutable }))
}

/**
 * Returns a schema for a number in a path or a query, which may contain only digits. Number() would also accept '',
 * '0x1', '1e3' and a trailing line break.
 */
export const digits = (range: z.ZodInt) =>
  z.preprocess((text) => (typeof text === 'string' && /^\d+$/.test(text) ? Number(text) : text), range)

/**
 * Returns a schema for a list in a query, such as `a,b`. The parameter may also be repeated. A value counts only once.
 */
export const listOf = <Value extends z.core.util.EnumLike>(value: z.ZodEnum<Value>) =>
  z.preprocess(
    (given) => (given === undefined ? given : [...new Set([given].flat().flatMap(splitList))]),
    z.array(value),
  )

const splitList = (text: unknown): unknown[] => (typeof text === 'string' ? text.split(',') : [text])

/** Parses a query string into an object. A repeated name becomes an array. */
export function readQuery(rawQueryString: string): Record<string, string | string[]> {
  const values = new Map<string, string[]>()
  for (const [key, value] of new URLSearchParams(rawQueryString)) {
    const all = values.get(key)
    if (all) all.push(value)
    else values.set(key, [value])
  }
  return Object.fromEntries(Array.from(values, ([key, all]) => [key, all.length > 1 ? all : (all[0] ?? '')]))
}

type Place = { pointer: string } | { parameter: string }

/** Converts Zod's issues to problems. `names`: the field names at the top level, to explain unknown fields. */
export function problemsOf(
  error: z.ZodError,
  place: (path: PropertyKey[]) => Place,
  names: Names = { known: [], immutable: [] },
): Problem[] {
  let explained = 0
  // A body may have thousands of unknown fields, and looking for the nearest name takes time.
  const explain = (key: string, own: Names): string =>
    explained++ < PROBLEMS_SHOWN ? whyUnknown(key, own) : 'is unknown'
  return error.issues.flatMap((issue) => {
    if (issue.code !== 'unrecognized_keys') {
      return causesOf(issue).map(({ path, message }) => ({
        ...place([...issue.path, ...path]),
        detail: message,
      }))
    }
    const own = issue.path.length === 0 ? names : { known: [], immutable: [] }
    return issue.keys.map((key) => ({ ...place([...issue.path, key]), detail: explain(key, own) }))
  })
}

type Cause = { path: PropertyKey[]; message: string }

/** Returns what is wrong inside a key, or inside a value that has one of several possible types. */
function causesOf(issue: z.core.$ZodIssue): Cause[] {
  const itself = [{ path: [], message: issue.message }]
  if (issue.code === 'invalid_key')
    return issue.issues.slice(0, 1).map(({ message }) => ({ path: [], message }))
  if (issue.code !== 'invalid_union') return itself
  return issue.errors.find((branch) => !branch.some(isOtherType)) ?? itself
}

const isOtherType = ({ code, path }: z.core.$ZodIssue): boolean =>
  code === 'invalid_type' && path.length === 0

type Names = { known: readonly string[]; immutable: readonly string[] }

function whyUnknown(key: string, { known, immutable }: Names): string {
  if (immutable.includes(key)) return "can't be changed"
  const meant = nearest(key, [...known, ...immutable])
  return meant === undefined ? 'is unknown' : `is unknown; did you mean ${meant}?`
}

/** Maximum number of characters of a pointer. A key may be as long as the body, and escaping makes it longer. */
const POINTER_CHARACTERS = 1000

/** Returns a JSON Pointer (RFC 6901) as a URI fragment, as in RFC 9457. A very long one is cut, and ends in `…`. */
export function toPointer(path: PropertyKey[]): string {
  const escaped = path.map((part) => String(part).replaceAll('~', '~0').replaceAll('/', '~1'))
  const pointer = ['#', ...escaped.map(encodeURIComponent)].join('/')
  return pointer.length > POINTER_CHARACTERS ? `${pointer.slice(0, POINTER_CHARACTERS)}…` : pointer
}

type Unstorable = { path: PropertyKey[]; detail: string }

/**
 * Finds a value that JSON can express but PostgreSQL can't store: a NUL character, half of a surrogate pair, or a
 * number too large for a double. It is recursive, but `limitJson` has already limited the depth.
 */
function findUnstorable(value: unknown, path: PropertyKey[] = []): Unstorable | undefined {
  const wrong = (detail: string): Unstorable => ({ path, detail })
  if (typeof value === 'string') {
    const fault = stringFault(value)
    return fault === undefined ? undefined : wrong(fault)
  }
  if (typeof value === 'number' && !Number.isFinite(value)) return wrong('is too large')
  if (typeof value !== 'object' || value === null) return undefined
  for (const [key, inner] of Object.entries(value)) {
    const fault = stringFault(key)
    const found = fault ? wrong(`has a key that ${fault}`) : findUnstorable(inner, [...path, key])
    if (found) return found
  }
  return undefined
}

function stringFault(text: string): string | undefined {
  if (text.includes('\0')) return 'contains a NUL character'
  return text.isWellFormed() ? undefined : 'is not well-formed Unicode'
}
