import { expect, test } from 'vitest'
import { handler } from '../../../functions/system/openapi.ts'
import { buildDocument } from '../../../infra/generate/openapi.ts'
import { json } from '../../setup/expected.ts'
import { call } from '../../setup/http-event.ts'

test('serves the document generated from the current handlers', async () => {
  const document = JSON.parse(JSON.stringify(await buildDocument()))
  const cached = { 'cache-control': 'no-cache', vary: 'accept-encoding', etag: expect.any(String) }
  expect(await call(handler, { method: 'GET', path: '/openapi.json' })).toEqual(json(200, document, cached))
})

test('compresses the document, and returns 304 if the client already has it', async () => {
  const get = (headers: Record<string, string>) =>
    call(handler, { method: 'GET', path: '/openapi.json', headers })
  const { body: plain } = await get({})
  for (const encoding of ['br', 'gzip']) {
    const accept = { 'accept-encoding': encoding }
    const { headers, body } = await get(accept)
    expect([headers['content-encoding'], body]).toEqual([encoding, plain])
    const again = await get({ ...accept, 'if-none-match': String(headers.etag) })
    expect([again.statusCode, again.body]).toEqual([304, ''])
  }
})

test('lists every route and whether it requires an API key', async () => {
  const { paths } = await buildDocument()
  const open = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => [`${method} ${path}`, operation]),
  )
  const security = open.map(([route, operation]) => [route, (operation as { security: object[] }).security])
  const key = [{ apiKey: [] }, { bearer: [] }]
  expect(Object.fromEntries(security)).toEqual({
    'post /tasks': key,
    'get /tasks': key,
    'get /tasks/{id}': key,
    'patch /tasks/{id}': key,
    'delete /tasks/{id}': key,
    'get /tasks/{id}/executions': key,
    'put /tasks/by-name/{name}': key,
    'get /tasks/by-name/{name}': key,
    'post /tasks/{id}/run': key,
    'post /tasks/by-name/{name}/run': key,
    'post /tasks/{id}/pause': key,
    'post /tasks/{id}/resume': key,
    'post /tasks/pause': key,
    'post /tasks/resume': key,
    'delete /tasks': key,
    'get /executions': key,
    'get /executions/{id}': key,
    'post /executions/rerun': key,
    'post /executions/{id}/cancel': key,
    'post /executions/{id}/rerun': key,
    'post /schedules/preview': key,
    'get /upcoming': key,
    'get /workers': key,
    'get /metrics': key,
    'get /stats': key,
    'post /keys': key,
    'get /keys': key,
    'delete /keys/{id}': key,
    'get /healthz': [],
    'get /readyz': [],
    'get /openapi.json': [],
    'get /session': [],
    'post /session': [],
    'delete /session': [],
    'get /session/oidc': [],
    'get /session/oidc/callback': [],
    'get /': [],
    'get /dashboard/{asset}': [],
    'get /docs': [],
    'get /docs/{asset}': [],
  })
})
