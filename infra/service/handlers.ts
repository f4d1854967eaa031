import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Context } from 'aws-lambda'
import type { Service, ServiceFunction } from './service.ts'

/** What a function of `serverless.yml` exports. */
export type LambdaHandler = (event: unknown, context: Context) => unknown

/**
 * Imports the handler of every function. Returns them by function name. Throws an error that names a function without
 * one.
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
  if (!isHandler(handler)) throw new Error(`function ${fn.name}: ${fn.file} exports no ${fn.exportName}()`)
  return handler
}

// What a function takes can't be checked. The guarantee is that serverless.yml names it.
const isHandler = (value: unknown): value is LambdaHandler => typeof value === 'function'
