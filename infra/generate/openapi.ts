import { fileURLToPath } from 'node:url'
import * as z from 'zod'
import manifest from '../../package.json' with { type: 'json' }
import type { Operation } from '../../shared/http/operation.ts'
import { problemOut } from '../../shared/http/problem.ts'
import { loadHandlers } from '../service/handlers.ts'
import { type Route, readService } from '../service/service.ts'

const SERVICE_FILE = fileURLToPath(new URL('../../serverless.yml', import.meta.url))

/** The OpenAPI document: routes from serverless.yml, everything else from the handlers' own schemas. */
export async function buildDocument() {
  const service = await readService(SERVICE_FILE)
  const handlers = await loadHandlers(service)
  const paths: Record<string, Record<string, object>> = {}
  for (const fn of service.functions) {
    for (const route of fn.routes) {
      if (route.path === '*') continue
      const { operation } = handlers[fn.name] as unknown as { operation: Operation }
      paths[route.path] ??= {}
      Object.assign(paths[route.path] ?? {}, {
        [route.method.toLowerCase()]: describe(fn.name, route, operation),
      })
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Task scheduler',
      version: manifest.version,
      description: 'Tasks on an interval, once, or on a cron schedule; every execution is recorded.',
    },
    paths,
    components: {
      schemas: { Problem: toJsonSchema(problemOut, 'output') },
      securitySchemes: { apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key' } },
    },
  }
}

function describe(name: string, { method, path }: Route, operation: Operation): object {
  return {
    operationId: path.includes('{asset}') ? `${name}Asset` : name,
    summary: operation.summary,
    security: operation.public ? [] : [{ apiKey: [] }],
    parameters: [
      ...parametersOf('path', operation.path).filter(({ name }) => path.includes(`{${name}}`)),
      ...parametersOf('query', operation.query),
      ...(HEADERS[method] ?? []),
    ],
    ...(operation.body && {
      requestBody: {
        required: operation.bodyOptional !== true,
        content: { 'application/json': { schema: toJsonSchema(operation.body, 'input') } },
      },
    }),
    responses: responsesOf(operation),
  }
}

const header = (name: string, description: string) => ({
  name,
  in: 'header',
  required: false,
  description,
  schema: { type: 'string' },
})

const IF_MATCH = header('If-Match', 'The ETag that the task must have: else 412')

/** What every route of a method takes besides. */
const HEADERS: Partial<Record<Route['method'], object[]>> = {
  POST: [header('Idempotency-Key', 'Sent twice with the same key, within 24 hours, it acts once')],
  PATCH: [IF_MATCH],
  PUT: [IF_MATCH],
}

function parametersOf(place: 'path' | 'query', schema: z.ZodObject | undefined) {
  return Object.entries(schema?.shape ?? {}).map(([name, field]) => {
    const { description, ...json } = toJsonSchema(field as z.ZodType, 'input')
    const required = place === 'path'
    return { name, in: place, required, ...(description !== undefined && { description }), schema: json }
  })
}

function responsesOf(operation: Operation): object {
  const expected = Object.entries(operation.responses).map(([status, { description, body }]) => [
    status,
    {
      description,
      ...(body && { content: { 'application/json': { schema: toJsonSchema(body, 'output') } } }),
      ...(Number(status) >= 400 && { content: PROBLEM }),
    },
  ])
  return { ...Object.fromEntries(expected), default: { description: 'What went wrong', content: PROBLEM } }
}

const PROBLEM = { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } }

/** Inlined: a document that is read by people and by generators alike has no need of names for each schema. */
function toJsonSchema(schema: z.ZodType, io: 'input' | 'output'): Record<string, unknown> {
  const { $schema, ...json } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Record<
    string,
    unknown
  >
  return json
}
