import { readFile } from 'node:fs/promises'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { handler } from '../../../functions/system/dashboard.ts'
import { PAGE_SECURITY, problem, SECURITY } from '../../setup/expected.ts'
import { call, callOffline, type HttpCall, REQUEST_ID } from '../../setup/http-event.ts'

const HTML = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' }

const getPage = (more: Partial<HttpCall> = {}) =>
  call(handler, { method: 'GET', path: '/', headers: HTML, ...more })

const getAsset = (asset: string, more: Partial<HttpCall> = {}) =>
  call(handler, { method: 'GET', path: '/dashboard/{asset}', pathParameters: { asset }, ...more })

const built = (name: string) => readFile(new URL(`../../../dashboard/dist/${name}`, import.meta.url), 'utf8')

/** Returns the version that the page's link to each asset contains, keyed by asset. */
async function linked(): Promise<Record<string, string>> {
  const links = [...(await getPage()).body.matchAll(/"dashboard\/([^"]+)\?v=(\w+)"/g)]
  return Object.fromEntries(links.map(([, name, version]) => [name, version]))
}

test('serves browsers a page that loads its assets only from this server, by relative links', async () => {
  const response = await getPage()
  expect(response).toEqual({
    statusCode: 200,
    headers: {
      ...PAGE_SECURITY,
      'x-request-id': REQUEST_ID,
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-cache',
      vary: 'accept, accept-encoding',
      etag: expect.stringMatching(/^"[\w-]+"$/),
    },
    body: expect.stringMatching(/^<!doctype html>\n.*<\/html>\n$/s),
  })
  const targets = [...response.body.matchAll(/(?:href|src)=["']([^"']+)/g)].map(([, target]) => target)
  expect(targets.map((target) => target.replace(/\?v=[0-9a-f]{32}$/, '?v=')).sort()).toEqual([
    'dashboard/app.css?v=',
    'dashboard/app.js?v=',
    'dashboard/icon.svg?v=',
    'docs',
  ])
  expect(await callOffline(handler, { method: 'GET', path: '/', headers: HTML })).toEqual(response)
})

test('the page has no inline script, style or event handler', async () => {
  const { body } = await getPage()
  expect(
    body.match(/<script(?![^>]* src="[^"]+"><\/script>)|<style|\s(?:style|on\w+)=|javascript:/gi),
  ).toBeNull()
})

test.for([undefined, '*/*', 'application/json'])(
  'redirects clients that send Accept: %s to the documentation',
  async (accept) => {
    const { statusCode, headers } = await getPage({ headers: { accept } })
    expect({ statusCode, location: headers.location }).toEqual({ statusCode: 302, location: '/docs' })
  },
)

test('returns 304 if the browser has the current page', async () => {
  const { headers } = await getPage()
  const again = await getPage({ headers: { ...HTML, 'if-none-match': String(headers.etag) } })
  expect(again).toMatchObject({ statusCode: 304, body: '' })
})

test.for([
  ['app.css', 'text/css; charset=utf-8'],
  ['app.js', 'text/javascript; charset=utf-8'],
  ['icon.svg', 'image/svg+xml'],
] as const)('lets browsers cache %s permanently at the URL that the page links to', async ([asset, type]) => {
  const v = (await linked())[asset] ?? ''
  const response = await getAsset(asset, { query: { v } })
  expect(response).toEqual({
    statusCode: 200,
    headers: {
      ...SECURITY,
      'x-request-id': REQUEST_ID,
      'content-type': type,
      'cache-control': 'public, max-age=31536000, immutable',
      vary: 'accept-encoding',
      etag: expect.stringMatching(/^"[\w-]+"$/),
    },
    body: await built(asset),
  })
  expect((await getAsset(asset, { query: { v: `${v}0` } })).headers['cache-control']).toBe('no-cache')
})

/** What a first visit may load, in bytes, with the weaker of the two encodings. */
const FIRST_LOAD = 250_000

test('the first load is within its limit', async () => {
  const files = await Promise.all(['index.html', 'app.js', 'app.css', 'icon.svg'].map(built))
  const bytes = files.reduce((sum, file) => sum + gzipSync(file).length, 0)
  expect(bytes).toBeLessThan(FIRST_LOAD)
})

test.for([
  'index.html',
  'licenses.md',
  'package.json',
  '../package.json',
  '__proto__',
  'constructor',
  'x\n',
  '',
])('does not serve other files, such as %j', async (asset) => {
  expect(await getAsset(asset)).toEqual(problem('not_found', `/dashboard/${asset} does not exist`))
})
