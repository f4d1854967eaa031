import { afterAll, beforeAll, expect, test } from 'vitest'
import { head, open } from './sockets.ts'

const PAGE = 'https://board.example.org'
process.env.CORS_ORIGINS = PAGE
const { createApp } = await import('../../infra/container/adapter.ts')
const { listen } = await import('../../infra/container/server.ts')
const { loadHandlers } = await import('../../infra/service/handlers.ts')
const { readService } = await import('../../infra/service/service.ts')

let server: Awaited<ReturnType<typeof listen>>

beforeAll(async () => {
  const service = await readService('serverless.yml')
  const app = createApp(service, await loadHandlers(service), { onError: () => {} })
  server = await listen(app, { host: '127.0.0.1', port: 0 })
})

afterAll(() => server.close(0))

/** Returns the head and the body of the response to raw text that ends its connection. */
const refused = async (text: string) => {
  const { closed } = await open(server.url, text)
  const [top = '', body = ''] = (await closed).split('\r\n\r\n')
  return { top: top.toLowerCase(), body }
}

test('an unreadable HEAD gets the headers of the same GET, and no body', async () => {
  const get = await refused(head('GET /%ff\x01 HTTP/1.1', 'Host: a'))
  const { top, body } = await refused(head('HEAD /%ff\x01 HTTP/1.1', 'Host: a'))
  expect(top).toMatch(/^http\/1\.1 400 /)
  expect(top).toContain(`content-length: ${get.body.length}`)
  expect(body).toBe('')
})

const post = (...headers: string[]) =>
  head('POST /tasks HTTP/1.1', 'Host: a', 'X-Api-Key: test-key', 'Connection: close', ...headers)
const json = 'Content-Type: application/json'
const chunked = 'Transfer-Encoding: chunked'

/** What the runtime itself refuses, with a function from the `Origin` header to the request. */
const REFUSALS: [status: number, what: string, request: (origin: string) => string][] = [
  [400, 'a bad path', (origin) => head('GET /tasks/%zz HTTP/1.1', 'Host: a', origin, 'Connection: close')],
  [400, 'two hosts', (origin) => head('GET /tasks HTTP/1.1', 'Host: a', 'Host: b', origin)],
  [400, 'a request that is not HTTP', (origin) => head('GET /\x01 HTTP/1.1', 'Host: a', origin)],
  [400, 'a bad chunk', (origin) => `${post(origin, json, chunked)}zz\r\n`],
  [404, 'no route', (origin) => head('GET /nowhere HTTP/1.1', 'Host: a', origin, 'Connection: close')],
  [413, 'a large body', (origin) => post(origin, json, 'Content-Length: 300000')],
  [413, 'a large chunk extension', (origin) => `${post(origin, json, chunked)}1;${'x'.repeat(20_000)}`],
  [415, 'a compressed body', (origin) => post(origin, json, 'Content-Encoding: gzip', 'Content-Length: 0')],
  [417, 'an unknown Expect', (origin) => post(origin, 'Expect: cake', 'Content-Length: 0')],
  [431, 'many headers', (origin) => post(origin, ...Array(200).fill('a: b'))],
  [431, 'large headers', (origin) => head('GET / HTTP/1.1', 'Host: a', origin, `a: ${'b'.repeat(20_000)}`)],
]

test.concurrent.for(REFUSALS)(
  'a page from CORS_ORIGINS can read a %i for %s, and no other page can',
  async (refusal) => {
    const [status, , request] = refusal
    const { top } = await refused(request(`Origin: ${PAGE}`))
    expect(top).toMatch(new RegExp(`^http/1\\.1 ${status} `))
    expect(top).toContain(`access-control-allow-origin: ${PAGE}`)
    expect(top).toMatch(/access-control-expose-headers: .*retry-after.*x-request-id/)
    const foreign = await refused(request('Origin: https://evil.example'))
    expect(foreign.top).toMatch(/^vary: origin/m)
    expect(foreign.top).not.toContain('access-control-allow-origin')
  },
)
