import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Context } from 'aws-lambda'
import type { Service, ServiceFunction } from './service.ts'

/** The handler that a function in `serverless.yml` exports. */
export type LambdaHandler = (event: unknown, context: Context) => unknown

/**
 * Imports the handler of every function, and returns the handlers by function name. If a function has no handler,
 * throws an error that names the function.
 */
export const loadHandlers = async ({ root, functions }: Service): Promise<Record<string, LambdaHandler>> =>
  Object.fromEntries(await Promise.all(functions.map(async (fn) => [fn.name, await load(root, fn)])))

const load = async (root: string, fn: ServiceFunction): Promise<LambdaHandler> => {
  const module: Record<string, unknown> = await import(pathToFileURL(resolve(root, fn.file)).href).catch(
    (cause) => {
      throw new Error(`function ${fn.name}: ${fn.file} can't be loaded`, { cause })
    },
  )
  const handler = module[fn.exportName]
  if (!isHandler(handler))
    throw new Error(`function ${fn.name}: ${fn.file} does not export ${fn.exportName}()`)
  return handler
}

// A function's parameters can't be checked at runtime. The type guard relies on serverless.yml, which names the
// function as a handler.
const isHandler = (value: unknown): value is LambdaHandler => typeof value === 'function'
