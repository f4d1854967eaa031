import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { parse } from 'yaml'
import * as z from 'zod'

const methods = ['ANY', 'GET', 'POST', 'PUT', 'PATCH', 'OPTIONS', 'HEAD', 'DELETE'] as const

export type Method = (typeof methods)[number]

/** `key` is API Gateway's route key; the catch-all is `{ key: '$default', method: 'ANY', path: '*' }`. */
export type Route = { key: string; method: Method; path: string }

export type ServiceFunction = {
  name: string
  /** Relative to the service's root, such as `functions/tasks/create.ts`. */
  file: string
  exportName: string
  timeoutSeconds: number
  memoryMb: number
  routes: Route[]
  scheduled: boolean
}

export type Service = { name: string; root: string; functions: ServiceFunction[] }

// Static segments, {parameters}, and optionally a {greedy+} parameter at the end, as API Gateway requires. Express sees
// the raw path, so a segment that clients must percent-encode would never match, and is rejected.
const pathPattern = /^\/(?:$|(?:(?:[\w.~$@&,;=:-]+|\{[\w.-]+\})(?:\/(?!$)|$))*(?:\{[\w.-]+\+\})?$)/

const routeSchema = z
  .union([
    z.literal('*').transform(() => ({ method: '*', path: '*' })),
    z
      .string()
      .transform((text) => ({ method: text.split(' ')[0], path: text.split(' ').slice(1).join(' ') })),
    z.object({ method: z.string().optional(), path: z.string() }),
  ])
  .transform(({ method, path }, context): Route => {
    if (path === '*' && (method ?? '*') === '*') return { key: '$default', method: 'ANY', path }
    const wanted = method === '*' ? 'ANY' : method?.toUpperCase()
    const known = methods.find((name) => name === wanted)
    if (known !== undefined && pathPattern.test(path)) return { key: `${known} ${path}`, method: known, path }
    context.addIssue(`"${method ?? ''} ${path}" is not a route: expected '<METHOD> /path/{parameter}' or '*'`)
    return z.NEVER
  })

const scheduleSchema = z
  .unknown()
  .transform((event) => (z.object({ enabled: z.literal(false) }).safeParse(event).success ? 'off' : 'on'))

const functionSchema = z.object({
  handler: z.string().regex(/^[^.$][^$]*\.[A-Za-z_]\w*$/, 'expected <path>.<export>'),
  timeout: z.int().min(1).max(900).optional(),
  memorySize: z.int().min(128).max(10_240).optional(),
  events: z
    .array(z.looseObject({ httpApi: routeSchema.optional(), schedule: scheduleSchema.optional() }))
    .nullish(),
})

// The Serverless Framework's defaults.
const serviceSchema = z.object({
  service: z.string(),
  provider: z.object({ timeout: z.int().min(1).max(900).default(6), memorySize: z.int().default(1024) }),
  functions: z.record(z.string(), functionSchema),
})

/**
 * Reads the functions and their routes from a serverless.yml. Unknown tags (`!Ref`, `!Sub`, `!GetAtt`) keep their plain
 * value. Variables (`${…}`) aren't resolved, so values that matter here must not contain any. If an entry is
 * malformed, throws an error that names the function.
 */
export const readService = async (path: string): Promise<Service> => {
  const text = await readFile(path, 'utf8')
  const read = serviceSchema.safeParse(parseYaml(path, text))
  if (!read.success) throw new Error(`${path} can't be served:\n${z.prettifyError(read.error)}`)
  const { service, provider, functions } = read.data
  const found = Object.entries(functions).map(([name, fn]): ServiceFunction => {
    const dot = fn.handler.lastIndexOf('.')
    const events = fn.events ?? []
    return {
      name,
      file: `${fn.handler.slice(0, dot)}.ts`,
      exportName: fn.handler.slice(dot + 1),
      timeoutSeconds: fn.timeout ?? provider.timeout,
      memoryMb: fn.memorySize ?? provider.memorySize,
      routes: events.flatMap((event) => event.httpApi ?? []),
      scheduled: events.some((event) => event.schedule === 'on'),
    }
  })
  refuseDuplicates(path, found)
  return { name: service, root: dirname(resolve(path)), functions: found }
}

const parseYaml = (path: string, text: string): unknown => {
  try {
    return parse(text, { logLevel: 'error', merge: true })
  } catch (cause) {
    throw new Error(`${path} is not valid YAML: ${cause instanceof Error ? cause.message : cause}`, { cause })
  }
}

// API Gateway rejects a second route of the same shape. Express would accept it but never reach it.
const refuseDuplicates = (path: string, functions: ServiceFunction[]): void => {
  const owners = new Map<string, string>()
  for (const fn of functions) {
    for (const route of fn.routes) {
      const shape = route.key.replaceAll(/\{[^}+]+/g, '{')
      const owner = owners.get(shape)
      if (owner !== undefined) throw new Error(`${path}: ${owner} and ${fn.name} both serve "${route.key}"`)
      owners.set(shape, fn.name)
    }
  }
}
