import { randomUUID } from 'node:crypto'
import express, { type Express, type NextFunction, type Request, type Response } from 'express'
import { AppError } from '../../shared/errors.ts'
import { provideBody } from '../../shared/http/late-body.ts'
import type { LambdaHandler } from '../service/handlers.ts'
import type { Method, Route, Service, ServiceFunction } from '../service/service.ts'
import { announcesBody, holdArrived, readBody } from './body.ts'
import { BodyBudget } from './body-budget.ts'
import { discard, free } from './discard.ts'
import { setBody, toEvent } from './event.ts'
import { FunctionTimeout, invoke, type TimeLimit } from './invoke.ts'
import { send, sendProblem, toReply } from './reply.ts'

export type AdapterOptions = {
  /**
   * Called with the error that a handler threw, or with the reason why its result couldn't be sent. The client only
   * sees a 500 or 504.
   */
  onError: (error: unknown, functionName: string) => void
  /** Express's `trust proxy`. Off by default, so the source address is the socket's. */
  trustProxy?: number | string[]
}

const verbs = {
  ANY: 'all',
  GET: 'get',
  POST: 'post',
  PUT: 'put',
  PATCH: 'patch',
  OPTIONS: 'options',
  HEAD: 'head',
  DELETE: 'delete',
} as const satisfies Record<Method, string>

/** Returns an Express app that serves every route with its function's handler, as API Gateway's HTTP API does. */
export const createApp = (
  service: Service,
  handlers: Readonly<Record<string, LambdaHandler>>,
  options: AdapterOptions,
): Express => {
  const app = express()
  app.disable('x-powered-by').disable('etag')
  app.enable('case sensitive routing').enable('strict routing')
  app.set('trust proxy', options.trustProxy ?? 0)
  const bodies = new BodyBudget()
  const routes = service.functions.flatMap((fn) =>
    fn.routes.map((route) => ({ fn, route, rank: rankOf(route) })),
  )
  for (const { fn, route } of routes.toSorted((a, b) => a.rank - b.rank)) {
    const handler = handlers[fn.name]
    if (handler === undefined) throw new Error(`function ${fn.name} has routes but no handler`)
    const serve = serveWith(fn, handler, route.key, { ...options, bodies })
    if (route.path === '*') app.use(serve)
    else app[verbs[route.method]](toExpressPath(route.path), serve)
  }
  app.use((_req: Request, res: Response) => sendProblem(res, noRoute()))
  app.use(answerError(options))
  return app
}

// Express uses the first match, API Gateway the most specific one. The rank compares segment by segment: static, then
// parameter, then greedy, then catch-all. HEAD comes before GET, because Express would also use a GET route for HEAD.
// ANY comes last.
const rankOf = ({ path, method }: Route): number => {
  const segments = path
    .split('/')
    .map((part) => (part === '*' ? 3 : part.endsWith('+}') ? 2 : part.startsWith('{') ? 1 : 0))
  return Number(`0.${segments.join('')}${method === 'HEAD' ? 1 : method === 'ANY' ? 3 : 2}`)
}

const toExpressPath = (path: string): string =>
  path
    .replaceAll(':', '\\:')
    .replaceAll(/\{([^}+]+)(\+?)\}/g, (_, name, greedy) => `${greedy ? '*' : ':'}"${name}"`)

const serveWith = (
  fn: ServiceFunction,
  handler: LambdaHandler,
  routeKey: string,
  { onError, bodies }: AdapterOptions & { bodies: BodyBudget },
) => {
  const { taking, limit: most } = takingOf(handler)
  return async (req: Request, res: Response): Promise<void> => {
    const requestId = randomUUID()
    const event = toEvent(req, routeKey, requestId)
    let provide: ((limit: TimeLimit) => void) | undefined
    if (announcesBody(event.headers)) {
      const read = async (): Promise<void> => {
        const body = await readBody(req, res, event, bodies, most)
        setBody(event, body)
        free(body)
      }
      if (taking === 'never') discard(req)
      else if (taking === 'first') await read()
      else {
        const held = await holdArrived(req, res, event, bodies)
        provide = (limit) =>
          provideBody(event, () => {
            held.close()
            return limit.outside(read)
          })
      }
    }
    try {
      send(res, toReply(await invoke(fn, handler, event, requestId, provide)))
    } catch (error) {
      const isLate = error instanceof FunctionTimeout
      const durationMs = Date.now() - event.requestContext.timeEpoch
      sendProblem(res, isLate ? tookTooLong() : internal(), { requestId, durationMs })
      onError(error, fn.name)
    }
  }
}

/**
 * Returns when a handler takes a body: never, late (once it has let the request in) or first (with the event, as on
 * Lambda), and how many bytes at most. A handler without an operation doesn't say, so it gets the body first.
 */
const takingOf = (handler: LambdaHandler): { taking: 'never' | 'late' | 'first'; limit?: number } => {
  const operation: unknown = Reflect.get(handler, 'operation')
  if (typeof operation !== 'object' || operation === null) return { taking: 'first' }
  if (!('body' in operation) || operation.body === undefined) return { taking: 'never' }
  const limit = 'bodyLimit' in operation ? operation.bodyLimit : undefined
  return { taking: 'late', ...(typeof limit === 'number' && { limit }) }
}

// Express recognizes an error handler by its four parameters.
const answerError =
  ({ onError }: AdapterOptions) =>
  (error: unknown, _req: Request, res: Response, _next: NextFunction): void => {
    // Anything that follows a malformed request on the same connection can't be trusted.
    res.shouldKeepAlive = false
    if (error instanceof AppError) sendProblem(res, error)
    else if (error instanceof URIError) sendProblem(res, badPath())
    else {
      sendProblem(res, internal())
      onError(error, 'adapter')
    }
  }

const noRoute = () => new AppError('not_found', 'no such route')

const badPath = () => new AppError('bad_request', 'the path is not encoded correctly')

const internal = () => new AppError('internal', 'internal error')

const tookTooLong = () => new AppError('timeout', 'the request took too long')
