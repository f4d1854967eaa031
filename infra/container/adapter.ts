import { randomUUID } from 'node:crypto'
import express, { type Express, type NextFunction, type Request, type Response } from 'express'
import type { LambdaHandler } from '../service/handlers.ts'
import type { Method, Route, Service, ServiceFunction } from '../service/service.ts'
import { announcesBody, Refusal, readBody } from './body.ts'
import { setBody, toEvent } from './event.ts'
import { FunctionTimeout, invoke } from './invoke.ts'
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

/** Returns an Express app that serves every route with its function's handler, like API Gateway's HTTP API. */
export const createApp = (
  service: Service,
  handlers: Readonly<Record<string, LambdaHandler>>,
  options: AdapterOptions,
): Express => {
  const app = express()
  app.disable('x-powered-by').disable('etag')
  app.enable('case sensitive routing').enable('strict routing')
  app.set('trust proxy', options.trustProxy ?? 0)
  const routes = service.functions.flatMap((fn) =>
    fn.routes.map((route) => ({ fn, route, rank: rankOf(route) })),
  )
  for (const { fn, route } of routes.toSorted((a, b) => a.rank - b.rank)) {
    const handler = handlers[fn.name]
    if (handler === undefined) throw new Error(`function ${fn.name} has routes but no handler`)
    const serve = serveWith(fn, handler, route.key, options)
    if (route.path === '*') app.use(serve)
    else app[verbs[route.method]](toExpressPath(route.path), serve)
  }
  app.use((_req: Request, res: Response) => sendProblem(res, 404, 'no such route'))
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

const serveWith =
  (fn: ServiceFunction, handler: LambdaHandler, routeKey: string, options: AdapterOptions) =>
  async (req: Request, res: Response): Promise<void> => {
    const requestId = randomUUID()
    const event = toEvent(req, routeKey, requestId)
    if (announcesBody(event.headers)) setBody(event, await readBody(req, event.headers))
    try {
      send(res, toReply(await invoke(fn, handler, event, requestId)))
    } catch (error) {
      if (error instanceof FunctionTimeout) sendProblem(res, 504, 'the request took too long')
      else sendProblem(res, 500, 'internal error')
      options.onError(error, fn.name)
    }
  }

// Express recognizes an error handler by its four parameters.
const answerError =
  (options: AdapterOptions) =>
  (error: unknown, _req: Request, res: Response, _next: NextFunction): void => {
    if (error instanceof Refusal) sendProblem(res, error.status, error.message)
    else if (error instanceof URIError) sendProblem(res, 400, 'the path is not encoded correctly')
    else {
      sendProblem(res, 500, 'internal error')
      options.onError(error, 'adapter')
    }
  }
