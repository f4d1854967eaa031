import { fileURLToPath } from 'node:url'
import * as z from 'zod'
import manifest from '../../package.json' with { type: 'json' }
import type { Operation } from '../../shared/http/operation.ts'
import { problemOut } from '../../shared/http/problem.ts'
import { runners } from '../../shared/runners/index.ts'
import { loadHandlers } from '../service/handlers.ts'
import { type Route, readService } from '../service/service.ts'

const SERVICE_FILE = fileURLToPath(new URL('../../serverless.yml', import.meta.url))

const TAGS = {
  Tasks: 'What to run, and when.',
  Executions: 'Finished, open and skipped executions.',
  Schedules: 'Upcoming runs, and previews of schedules.',
  Monitoring: 'The processes that run tasks, and their metrics.',
  Keys: 'API keys.',
  Session: "The dashboard's login. Programs send a key instead.",
  System: 'Health checks and documentation. No API key is required.',
} satisfies Record<Operation['tag'], string>

/** Returns the OpenAPI document: routes from serverless.yml, everything else from the handlers' own schemas. */
export async function buildDocument() {
  const service = await readService(SERVICE_FILE)
  const handlers = await loadHandlers(service)
  const schemas = new Schemas()
  const paths: Record<string, Record<string, object>> = {}
  for (const fn of service.functions) {
    for (const route of fn.routes) {
      if (route.path === '*') continue
      const { operation } = handlers[fn.name] as unknown as { operation: Operation }
      paths[route.path] ??= {}
      Object.assign(paths[route.path] ?? {}, {
        [route.method.toLowerCase()]: describe(fn.name, route, operation, schemas),
      })
    }
  }
  const problem = schemas.of(problemOut, 'output')
  // OpenAPI has no place for schemas that depend on another field's value. Clients build forms from these.
  const types = Object.entries(runners).map(([type, runner]) => [
    type,
    { description: `${runner.about}.`, params: schemas.of(runner.params, 'input') },
  ])
  return {
    openapi: '3.1.0',
    info: {
      title: 'Task scheduler',
      version: manifest.version,
      description: 'Runs tasks at an interval, once, or on a cron schedule, and records every execution.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '.', description: 'This server' }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    'x-task-types': Object.fromEntries(types),
    paths,
    components: {
      schemas: { ...schemas.components, Problem: problem },
      securitySchemes: {
        apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key' },
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'An API key, or a token of the OpenID Connect issuer.',
        },
      },
    },
  }
}

/**
 * Converts Zod schemas to JSON schemas. Schemas with an `id` become components, which are referenced wherever they are
 * used.
 */
class Schemas {
  readonly components: Record<string, object> = {}

  of(schema: z.ZodType, io: 'input' | 'output'): Record<string, unknown> {
    // Wrapped in an object: a schema with an id becomes a reference only if it is a property.
    const json = z.toJSONSchema(z.object({ schema }), { io, unrepresentable: 'any' })
    const { properties, $defs = {} } = json as unknown as {
      properties: { schema: object }
      $defs?: Record<string, { id?: string }>
    }
    for (const [name, { id: _, ...component }] of Object.entries($defs)) {
      this.components[name] = toComponents(component)
    }
    return toComponents(properties.schema)
  }
}

/** Makes references point to the document's components. The cast is safe because nothing else in the JSON changes. */
const toComponents = <Json extends object>(json: Json): Json & Record<string, unknown> =>
  JSON.parse(JSON.stringify(json).replaceAll('"#/$defs/', '"#/components/schemas/')) as Json &
    Record<string, unknown>

function describe(name: string, { method, path }: Route, operation: Operation, schemas: Schemas): object {
  const { tag, summary, description, body, bodyOptional, example } = operation
  const isTagged = method === 'GET' && operation.access !== 'public'
  return {
    operationId: path.includes('{asset}') ? `${name}Asset` : name,
    tags: [tag],
    summary,
    description,
    security: operation.access === 'public' ? [] : [{ apiKey: [] }, { bearer: [] }],
    parameters: [
      ...parametersOf('path', operation.path, schemas).filter(({ name }) => path.includes(`{${name}}`)),
      ...parametersOf('query', operation.query, schemas),
      ...(isTagged ? [IF_NONE_MATCH] : (HEADERS[method] ?? [])),
    ],
    ...(body && {
      requestBody: {
        required: bodyOptional !== true,
        content: { 'application/json': { schema: schemas.of(body, 'input'), example } },
      },
    }),
    responses: { ...(isTagged && NOT_MODIFIED), ...responsesOf(operation, schemas) },
  }
}

const header = (name: string, description: string) => ({
  name,
  in: 'header',
  required: false,
  description,
  schema: { type: 'string' },
})

const IF_MATCH = header('If-Match', 'The `ETag` that the task must have. Otherwise the response is 412.')

const IF_NONE_MATCH = header(
  'If-None-Match',
  'The `ETag` of a response that the client has. If nothing has changed, the response is 304.',
)

/** See `tagged` in shared/http/respond.ts. */
const NOT_MODIFIED = { 304: { description: 'The client has the current version' } }

/** Headers that every route with this method accepts. */
const HEADERS: Partial<Record<Route['method'], object[]>> = {
  POST: [
    header(
      'Idempotency-Key',
      'Makes the request safe to repeat. For 24 hours, a request with the same key returns the first response and does nothing else.',
    ),
  ],
  PATCH: [IF_MATCH],
  PUT: [IF_MATCH],
}

function parametersOf(place: 'path' | 'query', schema: z.ZodObject | undefined, schemas: Schemas) {
  return Object.entries(schema?.shape ?? {}).map(([name, field]) => {
    const { description, ...json } = schemas.of(field as z.ZodType, 'input')
    const required = place === 'path'
    // The values of a list are separated by commas.
    const style = json.type === 'array' ? { style: 'form', explode: false } : {}
    return {
      name,
      in: place,
      required,
      ...(description !== undefined && { description }),
      ...style,
      schema: json,
    }
  })
}

function responsesOf(operation: Operation, schemas: Schemas): object {
  const expected = Object.entries(operation.responses).map(([status, { description, body }]) => [
    status,
    {
      description,
      ...(body && { content: { 'application/json': { schema: schemas.of(body, 'output') } } }),
      ...(Number(status) >= 400 && { content: PROBLEM }),
    },
  ])
  return {
    ...Object.fromEntries(expected),
    '4XX': { description: 'The request is invalid', content: PROBLEM },
    default: { description: 'Server error', content: PROBLEM },
  }
}

const PROBLEM = { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } }
