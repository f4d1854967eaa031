import fc from 'fast-check'
import type { Operation, Schema } from '../document.ts'
import { parameterValue } from './from-schema.ts'
import { anything, instant, mostly, text } from './values.ts'

/** Percent-encodes text, even half of a surrogate pair. */
const percent = (value: string): string => {
  try {
    return encodeURIComponent(value)
  } catch {
    // What a careless encoder sends.
    return '%ED%A0%80'
  }
}

/** Ids of things that exist, and other ids. `collection`: what the ids belong to, such as `tasks`. */
const idIn = (collection: string): fc.Arbitrary<string> =>
  mostly(
    10,
    fc.nat({ max: 9 }).map((it) => `~${collection}${it}~`),
    fc.oneof(
      fc.constantFrom('0', '1', '-1', '1.0', '01', '2147483648', '9007199254740992', '1e3', ''),
      text.map(percent),
    ),
  )

const toCursor = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

const cursor = fc.oneof(
  fc.nat({ max: 9 }).map((it) => `~cursor${it}~`),
  anything.map(toCursor),
  fc.tuple(instant, fc.maxSafeInteger()).map(toCursor),
  text.map(percent),
)

/** Returns paths of an operation. */
export function pathOf({ path, parameters }: Operation): fc.Arbitrary<string> {
  const collection = path.split('/')[1] ?? ''
  const segments = path.split('/').map((part): fc.Arbitrary<string> => {
    const name = /^\{(\w+)\}$/.exec(part)?.[1]
    if (name === undefined) return fc.constant(part)
    if (name === 'id') return idIn(collection)
    const schema = parameters.find((it) => it.in === 'path' && it.name === name)?.schema ?? {}
    return parameterValue(schema, name).map(percent)
  })
  return fc.tuple(...segments).map((parts) => parts.join('/'))
}

/** Ways to write a path that proxies, frameworks and handlers read differently. */
export const pathTrick = fc.constantFrom<(path: string) => string>(
  (path) => `${path}/`,
  (path) => `/${path}`,
  (path) => path.replace('/', '/./'),
  (path) => `/x/..${path}`,
  (path) => `/x/%2e%2e${path}`,
  (path) => path.replace(/[a-z]/, (letter) => `%${letter.charCodeAt(0).toString(16)}`),
  (path) => path.replace(/[a-z]/, (letter) => `%25${letter.charCodeAt(0).toString(16)}`),
  (path) => path.replaceAll('/', '%2F').replace('%2F', '/'),
  (path) => path.replaceAll('/', '\\').replace('\\', '/'),
  (path) => path.toUpperCase(),
  (path) => `${path};a=b`,
  (path) => `${path}#fragment`,
  (path) => `${path}%00`,
  (path) => `${path}%0d%0aset-cookie:%20a=b`,
  (path) => `${path}%C0%AF`,
  // Not allowed unencoded, though Node's client sends it as one byte.
  (path) => `${path}\u00ff`,
  (path) => `${path}%zz`,
  (path) => `${path}%`,
  (path) => `${path}.json`,
  (path) => `${path}/${'a'.repeat(6000)}`,
  (path) => `${path}${'/a'.repeat(1000)}`,
  (path) => `http://127.0.0.1${path}`,
  (path) => `http://[::bad${path}`,
  () => '*',
)

/** Returns query strings for an operation: few parameters, and sometimes odd or repeated ones. */
export function queryOf({ parameters }: Operation): fc.Arbitrary<string> {
  const own = parameters.filter((it) => it.in === 'query').map(({ name, schema }) => pairOf(name, schema))
  const usual = fc.tuple(...own.map((it) => mostly(5, fc.constant(''), it)))
  const some = mostly(8, fc.constant<string[]>([]), fc.array(fc.oneof(oddPair, ...own), { maxLength: 2 }))
  return fc.tuple(usual, some).map((parts) => parts.flat().filter(Boolean).join('&'))
}

const oddPair = fc.oneof(
  fc.tuple(text.map(percent), text.map(percent)).map((pair) => pair.join('=')),
  fc.constantFrom('nope=1', '=', '&&', 'limit', 'limit=', 'limit[]=1', 'limit%00=1', 'all=true;dry_run=true'),
  fc.constantFrom(
    '__proto__=1',
    'constructor[prototype]=1',
    '%zz=%zz',
    'limit=%u0031',
    '?',
    'a'.repeat(4000),
  ),
)

function pairOf(name: string, schema: Schema): fc.Arbitrary<string> {
  if (name === 'cursor') return cursor.map((it) => `cursor=${it}`)
  if (name === 'task_id') return idIn('tasks').map((it) => `task_id=${it}`)
  return parameterValue(schema, name).map((it) => `${name}=${percent(it)}`)
}
