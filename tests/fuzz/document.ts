import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import json from '../../openapi.json' with { type: 'json' }

/** The parts of a JSON schema that `openapi.json` uses. */
export type Schema = {
  $ref?: string
  type?: string | string[]
  enum?: unknown[]
  const?: unknown
  anyOf?: Schema[]
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  maxItems?: number
  pattern?: string
  format?: string
  examples?: unknown[]
}

type Content = Record<string, { schema?: Schema; example?: unknown }>

type Described = {
  operationId: string
  security: object[]
  parameters: { name: string; in: 'path' | 'query' | 'header'; schema: Schema }[]
  requestBody?: { content: Content }
  responses: Record<string, { content?: Content }>
}

export type Operation = Described & { method: string; path: string }

// The cast is safe for a document that `npm run generate` wrote. A test validates it as OpenAPI.
const document = json as unknown as {
  paths: Record<string, Record<string, Described>>
  components: { schemas: Record<string, Schema> }
}

/** Every operation of `openapi.json`. */
export const operations: Operation[] = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, described]) => ({
    ...described,
    method: method.toUpperCase(),
    path,
  })),
)

/** Returns the schema that a reference points to, or the schema itself if it isn't a reference. */
export function deref(schema: Schema): Schema {
  const name = /^#\/components\/schemas\/(\w+)$/.exec(schema.$ref ?? '')?.[1]
  return name === undefined ? schema : (document.components.schemas[name] ?? schema)
}

const JSON_TYPE = 'application/json'

/** Returns the schema of an operation's body, or undefined if it takes none. */
export const bodySchema = ({ requestBody }: Operation): Schema | undefined =>
  requestBody?.content[JSON_TYPE]?.schema

/** Returns the operation that serves a request, or undefined if the document has none. A GET also serves HEAD. */
export function operationOf(method: string, target: string): Operation | undefined {
  const [path = ''] = target.replace(/^[a-z]+:\/\/[^/?#]*\/?/i, '/').split(/[?#]/)
  const wanted = method === 'HEAD' ? 'GET' : method
  const readings = [path.split('/').map(decode), decode(path).split('/')]
  return operations
    .filter((it) => it.method === wanted && readings.some((segments) => matches(it.path, segments)))
    .toSorted((a, b) => Number(a.path.includes('{')) - Number(b.path.includes('{')))[0]
}

function matches(path: string, segments: string[]): boolean {
  const expected = path.split('/')
  return (
    expected.length === segments.length &&
    expected.every((part, index) =>
      part.startsWith('{') ? segments[index] !== '' : part === segments[index],
    )
  )
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

const ajv = new Ajv2020({ strict: false, validateFormats: false, validateSchema: false })
ajv.addSchema(json, 'openapi')

const compiled = new Map<string, ValidateFunction>()

/**
 * Checks a value against the schema at a place in `openapi.json`. Returns what is wrong, or undefined if it is valid.
 */
function wrongBy(place: string[], value: unknown): string | undefined {
  const ref = `openapi#/${place.map((part) => encodeURIComponent(part.replaceAll('/', '~1'))).join('/')}`
  const validate = compiled.get(ref) ?? ajv.compile({ $ref: ref })
  compiled.set(ref, validate)
  return validate(value) ? undefined : ajv.errorsText(validate.errors)
}

const placeOf = ({ path, method }: Operation): string[] => ['paths', path, method.toLowerCase()]

/** Returns what is wrong with a problem document, or undefined if it is valid. */
export const wrongProblem = (value: unknown) => wrongBy(['components', 'schemas', 'Problem'], value)

/** Returns what is wrong with an operation's JSON response, or undefined. Without a schema, any response is valid. */
export function wrongResponse(operation: Operation, status: number, value: unknown): string | undefined {
  if (!operation.responses[status]?.content?.[JSON_TYPE]?.schema) return undefined
  return wrongBy([...placeOf(operation), 'responses', `${status}`, 'content', JSON_TYPE, 'schema'], value)
}

/** Returns what is wrong with the JSON of an operation's request body, or undefined. */
export function wrongRequest(operation: Operation, value: unknown): string | undefined {
  if (bodySchema(operation) === undefined) return undefined
  return wrongBy([...placeOf(operation), 'requestBody', 'content', JSON_TYPE, 'schema'], value)
}
