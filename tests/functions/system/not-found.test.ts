import { expect, test } from 'vitest'
import { handler } from '../../../functions/system/not-found.ts'
import { problem } from '../../setup/expected.ts'
import { call, callOffline } from '../../setup/http-event.ts'

const anything = (method: string, path: string) => call(handler, { method, path })

test.for([
  ['PUT', '/tasks', 'POST, GET, DELETE'],
  ['HEAD', '/tasks', 'POST, GET, DELETE'],
  ['POST', '/tasks/1', 'GET, PATCH, DELETE'],
  ['POST', '/tasks/x/executions', 'GET'],
  ['DELETE', '/executions', 'GET'],
  ['GET', '/tasks/1/run', 'POST'],
  ['PUT', '/tasks/pause', 'GET, PATCH, DELETE, POST'],
  ['DELETE', '/tasks/by-name/a b', 'PUT, GET'],
  ['GET', '/tasks/by-name/a b/run', 'POST'],
  ['DELETE', '/executions/1', 'GET'],
  ['GET', '/executions/1/cancel', 'POST'],
  ['GET', '/schedules/preview', 'POST'],
  ['POST', '/healthz', 'GET'],
  ['PUT', '/docs/swagger-ui.css', 'GET'],
  ['DELETE', '/dashboard/app.js', 'GET'],
  ['OPTIONS', '/openapi.json', 'GET'],
] as const)('lists the allowed methods in response to %s %s', async ([method, path, allow]) => {
  expect(await anything(method, path)).toEqual(
    problem('method_not_allowed', `${path} does not support ${method}`, { headers: { allow } }),
  )
})

test.for([
  '',
  '/nothing',
  '/tasks/',
  '//tasks',
  '/TASKS',
  '/tasks/1/2',
  '/tasks//executions',
  '/openapi.json/',
  '/openapi-json',
  '/healthz\n',
  '/%00',
  '/\0',
  `/${'x'.repeat(100_000)}`,
])('returns 404 for %j', async (path) => {
  expect(await anything('GET', path)).toEqual(problem('not_found', `${path} does not exist`))
})

test.for([
  ['GET', '/tasks'],
  ['DELETE', '/tasks/7'],
] as const)(
  'returns 404 for %s %s if it is an encoded path that no route matches',
  async ([method, path]) => {
    expect(await anything(method, path)).toEqual(problem('not_found', `${path} does not exist`))
  },
)

test('handles an event that uses null for missing values', async () => {
  expect(await callOffline(handler, { method: 'GET', path: '/nothing' })).toEqual(
    problem('not_found', '/nothing does not exist'),
  )
})
