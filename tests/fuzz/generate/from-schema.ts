import fc from 'fast-check'
import { deref, type Schema } from '../document.ts'
import { anything, instant, known, number, text } from './values.ts'

const LONGEST = 2100

/** Returns values that a schema allows, or nearly always allows. `name`: the field's or parameter's name. */
export function valid(schema: Schema, name = ''): fc.Arbitrary<unknown> {
  const own = known[name]
  if (own) return own
  const { enum: values, anyOf, type, format, examples, ...rest } = deref(schema)
  if (values) return fc.constantFrom(...values)
  if (anyOf) return fc.oneof(...anyOf.map((it) => valid(it)))
  if (format === 'date-time') return instant
  const typed = [type].flat().map((it) => typedValue(it ?? '', rest))
  return fc.oneof(...typed, ...(examples ? [fc.constantFrom(...examples)] : []))
}

function typedValue(type: string, schema: Schema): fc.Arbitrary<unknown> {
  const { minimum: min = -(2 ** 31), maximum: max = 2 ** 31, maxLength = LONGEST, pattern } = schema
  switch (type) {
    case 'integer':
      return fc.integer({ min, max })
    case 'number':
      return fc.oneof(fc.double({ min, max, noNaN: true }), fc.constantFrom(min, max))
    case 'boolean':
      return fc.boolean()
    case 'null':
      return fc.constant(null)
    case 'array':
      return fc.array(valid(schema.items ?? {}), { maxLength: Math.min(schema.maxItems ?? 3, 3) })
    case 'object':
      return objectOf(schema)
    case 'string':
      if (pattern) return fc.stringMatching(new RegExp(pattern), { maxLength: Math.min(maxLength, 20) })
      return fc.string({ unit: 'grapheme', maxLength: Math.min(maxLength, LONGEST) })
    default:
      return anything
  }
}

/** Returns objects with the required fields, and any of the others. */
function objectOf({ properties = {}, required = [] }: Schema): fc.Arbitrary<unknown> {
  const fields: Record<string, fc.Arbitrary<unknown>> = {}
  for (const [name, schema] of Object.entries(properties)) fields[name] = valid(schema, name)
  return fc.record(fields, { requiredKeys: required })
}

/** Returns values just outside what a schema allows, such as one more than the maximum, or the right value as text. */
function nearlyValid(schema: Schema, name = ''): fc.Arbitrary<unknown> {
  const { enum: values = [], anyOf = [], minimum, maximum, maxLength, maxItems } = deref(schema)
  const beyond: unknown[] = [
    ...(minimum === undefined ? [] : [minimum - 1, minimum - 0.5, String(minimum)]),
    ...(maximum === undefined ? [] : [maximum + 1, maximum + 0.5, `${maximum}`, maximum * 10]),
    ...(maxLength === undefined ? [] : ['x'.repeat(maxLength + 1), '\u{1f600}'.repeat(maxLength)]),
    ...(maxItems === undefined ? [] : [Array<string>(maxItems + 1).fill('a')]),
    ...values.flatMap((it) => [String(it).toUpperCase(), `${it} `, [it]]),
    null,
    '',
    [],
    {},
  ]
  return fc.oneof(
    fc.constantFrom(...beyond),
    ...anyOf.map((it) => nearlyValid(it)),
    valid(schema, name).map((it) => [it]),
    valid(schema, name).map(toText),
  )
}

const toText = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''))

/** Returns a field's value: usually valid, sometimes nearly valid, sometimes anything. */
export const fieldValue = (schema: Schema, name: string): fc.Arbitrary<unknown> =>
  fc.oneof(
    { weight: 8, arbitrary: valid(schema, name) },
    { weight: 2, arbitrary: nearlyValid(schema, name) },
    { weight: 1, arbitrary: anything },
  )

/** Returns a parameter's value as text, before percent-encoding. */
export const parameterValue = (schema: Schema, name: string): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 12, arbitrary: valid(schema, name).map(toText) },
    { weight: 2, arbitrary: nearlyValid(schema, name).map(toText) },
    { weight: 1, arbitrary: text },
    { weight: 1, arbitrary: number.map(String) },
  )
