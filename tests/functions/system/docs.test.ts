import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { handler } from '../../../functions/system/docs.ts'
import { problem } from '../../setup/expected.ts'
import { call, callOffline, REQUEST_ID } from '../../setup/http-event.ts'

const headers = { 'x-content-type-options': 'nosniff', 'x-request-id': REQUEST_ID }

test('serves a page that only loads resources from the same server', async () => {
  const response = await call(handler, { method: 'GET', path: '/docs' })
  expect(response).toEqual({
    statusCode: 200,
    headers: { ...headers, 'cache-control': 'no-store', 'content-type': 'text/html; charset=utf-8' },
    body: expect.stringMatching(/^<!doctype html>\n.*<\/html>\n$/s),
  })
  const targets = [...response.body.matchAll(/(?:href|src|url)(?:=|: )["']([^"']+)/g)].map(
    ([, target]) => target,
  )
  expect(targets).toEqual(['/docs/swagger-ui.css', 'data:,', '/docs/swagger-ui-bundle.js', '/openapi.json'])
  expect(await callOffline(handler, { method: 'GET', path: '/docs' })).toEqual(response)
})

test.for([
  ['swagger-ui.css', 'text/css; charset=utf-8'],
  ['swagger-ui-bundle.js', 'text/javascript; charset=utf-8'],
] as const)('serves %s', async ([asset, type]) => {
  const response = await call(handler, { method: 'GET', path: '/docs/{asset}', pathParameters: { asset } })
  expect(response).toEqual({
    statusCode: 200,
    headers: { ...headers, 'cache-control': 'max-age=86400', 'content-type': type },
    body: await readFile(new URL(`../../../node_modules/swagger-ui-dist/${asset}`, import.meta.url), 'utf8'),
  })
})

test.for(['package.json', '../package.json', '..%2fpackage.json', '__proto__', 'constructor', 'x\n', ''])(
  'does not serve other files, such as %j',
  async (asset) => {
    expect(await call(handler, { method: 'GET', path: '/docs/{asset}', pathParameters: { asset } })).toEqual(
      problem('not_found', `/docs/${asset} does not exist`),
    )
  },
)
