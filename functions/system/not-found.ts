import document from '../../openapi.json' with { type: 'json' }
import { AppError } from '../../shared/errors.ts'
import { answerPreflight } from '../../shared/http/cors.ts'
import { httpHandler } from '../../shared/http/handler.ts'
import { MethodNotAllowed } from '../../shared/http/problem.ts'

const paths: Record<string, object> = document.paths

const routes = Object.entries(paths).map(([path, methods]) => ({
  pattern: new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{[^}]+\}/g, '[^/]+')}$`),
  allow: Object.keys(methods).map((method) => method.toUpperCase()),
}))

/** Handles requests that match no other route: 405 if the path has other methods, otherwise 404. */
export const handler = httpHandler(
  {
    tag: 'System',
    summary: 'Handle unknown routes',
    description:
      'Returns 404, or 405 if the path has other methods. Answers the preflight requests of CORS_ORIGINS.',
    access: 'public',
    responses: {},
  },
  (_input, { event }) => {
    const { method, path } = event.requestContext.http
    const preflight = answerPreflight(event.headers)
    if (method === 'OPTIONS' && preflight) return preflight
    const allow = routes.filter(({ pattern }) => pattern.test(path)).flatMap((route) => route.allow)
    // The path is already decoded, so `/tasks%2F7` looks like a task here, though it isn't one.
    if (allow.length === 0 || allow.includes(method))
      throw new AppError('not_found', `${path} does not exist`)
    throw new MethodNotAllowed(`${path} does not support ${method}`, allow)
  },
)
