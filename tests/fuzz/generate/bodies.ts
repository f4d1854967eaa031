import fc from 'fast-check'
import { bodySchema, deref, type Operation, type Schema } from '../document.ts'
import { fieldValue, valid } from './from-schema.ts'
import type { Header } from './headers.ts'
import { anything, mostly, task, text } from './values.ts'

export type Content = { headers: Header[]; body: string | Buffer | undefined }

type Fields = Record<string, unknown>

const NOTHING: Content = { headers: [], body: undefined }

/** Returns a request's body, and the headers that describe it. Operations without a body rarely get one. */
export function bodyOf(operation: Operation): fc.Arbitrary<Content> {
  const schema = bodySchema(operation)
  const none = fc.constant(NOTHING)
  if (!schema) return mostly(12, none, content(anyJson))
  const example = operation.requestBody?.content['application/json']?.example
  return mostly(12, content(objects(deref(schema), example).map(toJson)), fc.oneof(content(anyJson), none))
}

const toJson = (value: unknown): string => JSON.stringify(value)

const anyJson = fc.oneof(anything.map(toJson), text)

/** Returns valid objects. In half of them, fields are changed, added or removed. */
function objects(schema: Schema, example: unknown): fc.Arbitrary<Fields> {
  const { properties = {} } = schema
  const names = Object.keys(properties)
  // The casts are safe: every body in the document is an object.
  const whole = names.includes('schedule_type')
    ? task.map((fields) => pick(fields, names))
    : (valid(schema) as fc.Arbitrary<Fields>)
  const base = mostly<Fields>(5, whole, fc.constant(example as Fields))
  return fc.tuple(base, changes(properties)).map(([fields, change]) => ({ ...fields, ...change }))
}

/** Returns the fields with these names. Without a type, the params would fit few tasks. */
const pick = (fields: Fields, names: string[]): Fields =>
  Object.fromEntries(
    Object.entries(fields).filter(
      ([name]) => names.includes(name) && (name !== 'params' || names.includes('type')),
    ),
  )

/** Returns fields to change. `undefined` removes a field. */
function changes(properties: Record<string, Schema>): fc.Arbitrary<Fields> {
  const removed = fc.constant<unknown>(undefined)
  const known = Object.entries(properties).map(([name, schema]) =>
    fc.tuple(fc.constant(name), mostly(12, fieldValue(schema, name), removed)),
  )
  const unknown = fc.tuple(
    fc.oneof(fc.constantFrom('id', 'version', 'nope', 'constructor', ''), text),
    anything,
  )
  const change = mostly<[string, unknown]>(20, fc.oneof(...known), unknown)
  const several = mostly<[string, unknown][]>(8, fc.tuple(change), fc.array(change, { maxLength: 6 }))
  return mostly(2, fc.constant<[string, unknown][]>([]), several).map((pairs) => Object.fromEntries(pairs))
}

/** Ways to spoil JSON, or to write it so that parsers disagree. */
const spoil = fc.oneof(
  fc.nat({ max: 60 }).map((length) => (json: string) => json.slice(0, length)),
  fc.nat({ max: 5 }).map((length) => (json: string) => json.slice(0, -length)),
  fc.tuple(fc.nat({ max: 80 }), fc.constantFrom(...'\0\ufeff\u2028"\\{}[],:e-', '/*x*/', '\\ud800')).map(
    ([at, inserted]) =>
      (json: string) =>
        json.slice(0, at) + inserted + json.slice(at),
  ),
  fc
    .constantFrom(
      '1e400',
      '-1e400',
      '1E+2',
      '-0',
      '1'.repeat(400),
      '0.1e-400',
      '01',
      '+1',
      '.5',
      'NaN',
      '0x1',
    )
    .map((number) => (json: string) => json.replace(/:\d+/, `:${number}`)),
  // Of duplicate keys, the last one counts.
  fc
    .constantFrom('"name":1', '"type":"nope"', '"__proto__":{"a":1}', '"params":{"params":{}}')
    .map((pair) => (json: string) => json.replace('{', `{${pair},`)),
  fc
    .constantFrom(31, 32, 33, 1000, 50_000)
    .map(
      (depth) => (json: string) =>
        json.replace(/^\{/, `{"params":{"a":${'['.repeat(depth)}${']'.repeat(depth)}},`),
    ),
  fc
    .constantFrom(1, 1000, 262_000, 262_144, 300_000)
    .map((spaces) => (json: string) => json + ' '.repeat(spaces)),
  fc.constantFrom('', ' ', 'null', '[]', '\ufeff').map((other) => () => other),
  fc.constant((json: string) => `\ufeff${json}`),
  fc.constant((json: string) => `[${json}]`),
  fc.constant((json: string) => json.replaceAll('"', "'")),
)

/** Ways to turn text into bytes. Only the first is UTF-8. */
const encode = mostly<(json: string) => string | Buffer>(
  30,
  fc.constant((json) => json),
  fc.constantFrom(
    (json) => Buffer.from(json, 'utf16le'),
    (json) => Buffer.from(json, 'latin1'),
    (json) => Buffer.concat([Buffer.from(json), Buffer.from([0xff, 0xfe, 0x80])]),
    (json) => Buffer.from(json.replace('"', '"\u00ff'), 'latin1'),
  ),
)

/** The values of `content-type`: usually one, sometimes none or two. */
const contentTypes = mostly<string[]>(
  12,
  fc.constant(['application/json']),
  fc.oneof(
    fc
      .constantFrom(
        ...['application/json; charset=utf-8', 'application/json;charset=utf-16', 'APPLICATION/JSON', ''],
        ...['application/merge-patch+json', 'application/jsonx', 'text/plain', 'text/json', ';'],
        ...['application/x-www-form-urlencoded', 'application/octet-stream', 'application/json, text/plain'],
      )
      .map((it) => [it]),
    fc.constantFrom<string[]>(
      [],
      ['application/json', 'application/json'],
      ['text/plain', 'application/json'],
    ),
  ),
)

/** Returns JSON as a body: usually unchanged, sometimes spoiled, in an odd encoding or of another type. */
function content(json: fc.Arbitrary<string>): fc.Arbitrary<Content> {
  const change = mostly<(json: string) => string>(
    10,
    fc.constant((it) => it),
    spoil,
  )
  const isChunked = mostly(10, fc.constant(false), fc.constant(true))
  return fc
    .tuple(json, change, encode, contentTypes, isChunked)
    .map(([text, spoiled, toBytes, types, chunked]) => {
      const body = toBytes(spoiled(text))
      const framing: Header = chunked
        ? ['transfer-encoding', 'chunked']
        : ['content-length', `${Buffer.byteLength(body)}`]
      return { headers: [...types.map((it): Header => ['content-type', it]), framing], body }
    })
}
