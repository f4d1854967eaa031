import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { handler } from '../../../functions/system/docs.ts'
import { PAGE_SECURITY, problem, SECURITY } from '../../setup/expected.ts'
import { call, callOffline, type HttpCall, REQUEST_ID } from '../../setup/http-event.ts'

const always = {
  'x-request-id': REQUEST_ID,
  vary: 'accept-encoding',
  etag: expect.stringMatching(/^"[\w-]+"$/),
}
const FOR_GOOD = 'public, max-age=31536000, immutable'

const getPage = (more: Partial<HttpCall> = {}) => call(handler, { method: 'GET', path: '/docs', ...more })

const getAsset = (asset: string, more: Partial<HttpCall> = {}) =>
  call(handler, { method: 'GET', path: '/docs/{asset}', pathParameters: { asset }, ...more })

const inPackage = (name: string) =>
  readFile(new URL(`../../../node_modules/swagger-ui-dist/${name}`, import.meta.url), 'utf8')

/** Returns the version in the page's link to each asset, keyed by asset. */
async function linked(): Promise<Record<string, string>> {
  const links = [...(await getPage()).body.matchAll(/"docs\/([^"]+)\?v=(\w+)"/g)]
  return Object.fromEntries(links.map(([, name, version]) => [name, version]))
}

test('serves a page that loads resources only from the same server', async () => {
  const response = await getPage()
  const type = 'text/html; charset=utf-8'
  expect(response).toEqual({
    statusCode: 200,
    headers: { ...PAGE_SECURITY, ...always, 'cache-control': 'no-cache', 'content-type': type },
    body: expect.stringMatching(/^<!doctype html>\n.*<\/html>\n$/s),
  })
  const targets = [...response.body.matchAll(/(?:href|src)=["']([^"']+)/g)].map(([, target]) => target)
  expect(targets.map((target) => target.replace(/\?v=[0-9a-f]{32}$/, '?v='))).toEqual([
    'docs/swagger-ui.css?v=',
    'data:,',
    'docs/swagger-ui-bundle.js?v=',
    'docs/start.js?v=',
  ])
  expect(await callOffline(handler, { method: 'GET', path: '/docs' })).toEqual(response)
})

test('the page has no inline script, style or event handler', async () => {
  const { body } = await getPage()
  expect(body.match(/<script(?! src="[^"]+"><\/script>)|<style|\s(?:style|on\w+)=|javascript:/gi)).toBeNull()
})

test('starts Swagger UI from a separate script, which does not keep the API key', async () => {
  const { body } = await getAsset('start.js')
  expect(body).toContain("SwaggerUIBundle({ url: 'openapi.json', dom_id: '#ui' })")
  expect(body).toContain("localStorage.removeItem('authorized')")
})

const assets = [
  ['swagger-ui.css', 'text/css; charset=utf-8'],
  ['swagger-ui-bundle.js', 'text/javascript; charset=utf-8'],
  ['start.js', 'text/javascript; charset=utf-8'],
] as const

test.for(assets)(
  'lets clients cache %s permanently at the URL that the page links to',
  async ([asset, type]) => {
    const v = (await linked())[asset] ?? ''
    const response = await getAsset(asset, { query: { v } })
    expect(response).toEqual({
      statusCode: 200,
      headers: { ...SECURITY, ...always, 'cache-control': FOR_GOOD, 'content-type': type },
      body: asset === 'start.js' ? expect.any(String) : await inPackage(asset),
    })
    expect(createHash('sha256').update(response.body).digest('hex')).toMatch(new RegExp(`^${v}`))
  },
)

test.for(assets)('does not let clients cache %s permanently at any other URL', async ([asset]) => {
  const v = `${(await linked())[asset]}0`
  for (const query of ['', { v }, { v: '' }, { w: v }]) {
    const { statusCode, headers } = await getAsset(asset, { query })
    expect([query, statusCode, headers['cache-control']]).toEqual([query, 200, 'no-cache'])
  }
})

test.for(assets)('compresses %s, with a different ETag for each encoding', async ([asset]) => {
  const plain = await getAsset(asset)
  const tags = new Set([plain.headers.etag])
  for (const encoding of ['br', 'gzip']) {
    const { headers, body } = await getAsset(asset, { headers: { 'accept-encoding': encoding } })
    expect([headers['content-encoding'], body === plain.body]).toEqual([encoding, true])
    tags.add(headers.etag)
  }
  expect(tags.size).toBe(3)
})

test.for([...assets.map(([asset]) => asset), undefined])(
  'returns 304 if the client has the current version of %s',
  async (asset) => {
    const get = (headers = {}) => (asset ? getAsset(asset, { headers }) : getPage({ headers }))
    for (const encoding of ['identity', 'gzip', 'br']) {
      const accept = { 'accept-encoding': encoding }
      const { headers } = await get(accept)
      const { 'content-encoding': _, ...kept } = headers
      for (const known of [headers.etag, `"other", W/${headers.etag}`, '*'])
        expect(await get({ ...accept, 'if-none-match': known })).toEqual({
          statusCode: 304,
          headers: kept,
          body: '',
        })
      for (const other of ['"other"', `${headers.etag}x`.replaceAll('"', ''), ''])
        expect((await get({ ...accept, 'if-none-match': other })).statusCode).toBe(200)
    }
  },
)

test.for(['package.json', '../package.json', '..%2fpackage.json', '__proto__', 'constructor', 'x\n', ''])(
  'does not serve other files, such as %j',
  async (asset) => {
    expect(await getAsset(asset)).toEqual(problem('not_found', `/docs/${asset} does not exist`))
  },
)
