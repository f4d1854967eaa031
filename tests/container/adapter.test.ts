import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { InvokeStore } from '@aws/lambda-invoke-store'
import type { APIGatewayProxyEventV2, Context } from 'aws-lambda'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createApp } from '../../infra/container/adapter.ts'
import { type Listening, listen } from '../../infra/container/server.ts'
import type { LambdaHandler } from '../../infra/service/handlers.ts'
import { loadHandlers } from '../../infra/service/handlers.ts'
import { readService } from '../../infra/service/service.ts'
import { SECURITY } from '../setup/expected.ts'

const yaml = `
service: sample
provider:
  name: aws
  timeout: 5
  environment:
    TABLE: !Ref Table
    ARN: !GetAtt Table.Arn
    URL: !Sub 'https://\${AWS::Region}'
functions:
  catchAll: { handler: functions/any.handler, events: [{ httpApi: '*' }] }
  files: { handler: functions/files.handler, events: [{ httpApi: 'GET /files/{proxy+}' }] }
  read: { handler: functions/read.handler, events: [{ httpApi: 'GET /tasks/{id}' }] }
  remove: { handler: functions/remove.handler, events: [{ httpApi: { method: delete, path: '/tasks/{id}' } }] }
  create: { handler: functions/tasks/create.handler, memorySize: 256, events: [{ httpApi: 'POST /tasks' }] }
  search: { handler: functions/search.run, events: [{ httpApi: { method: '*', path: /tasks/search } }] }
  result: { handler: functions/result.handler, events: [{ httpApi: 'GET /result' }] }
  slow: { handler: functions/slow.handler, timeout: 1, events: [{ httpApi: GET /slow }, { sqs: { arn: !Ref Q } }] }
  held: { handler: functions/held.handler, events: [{ httpApi: GET /held }] }
  tick: { handler: functions/tick.handler, events: [{ schedule: { method: scheduler, rate: rate(1 minute) } }] }
  idle: { handler: functions/idle.handler, events: [{ schedule: { rate: rate(1 minute), enabled: false } }] }
`

const echo: LambdaHandler = async (event) => event
const errors: { error: unknown; functionName: string }[] = []
let result: () => unknown = () => null
let context: Context | undefined
let held = Promise.withResolvers<unknown>()
let entered = Promise.withResolvers<void>()

const handlers: Record<string, LambdaHandler> = {
  catchAll: async (event) => ({ statusCode: 404, body: JSON.stringify(event) }),
  files: echo,
  read: echo,
  remove: echo,
  create: async (event, given) => {
    context = given
    return event
  },
  search: echo,
  result: () => result(),
  slow: () => new Promise(() => {}),
  held: () => {
    entered.resolve()
    return held.promise
  },
}

let folder: string
let server: Listening

const start = async () => {
  const service = await readService(join(folder, 'serverless.yml'))
  const app = createApp(service, handlers, {
    onError: (error, functionName) => errors.push({ error, functionName }),
  })
  return listen(app, { host: '127.0.0.1', port: 0 })
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'adapter-'))
  await writeFile(join(folder, 'serverless.yml'), yaml)
  server = await start()
})

afterAll(async () => {
  await server.close(0)
  await rm(folder, { recursive: true })
})

beforeEach(() => {
  errors.length = 0
  held = Promise.withResolvers()
  entered = Promise.withResolvers()
})

const get = (path: string, init?: RequestInit) => fetch(server.url + path, init)

const eventOf = async (path: string, init?: RequestInit): Promise<APIGatewayProxyEventV2> => {
  const response = await get(path, init)
  // The sample handlers return the event that they receive.
  return (await response.json()) as APIGatewayProxyEventV2
}

const open = async (text: string, to = server) => {
  const socket = connect(Number(new URL(to.url).port), '127.0.0.1')
  let received = ''
  socket.setEncoding('latin1').on('data', (data) => {
    received += data
  })
  socket.on('error', () => {})
  const closed = once(socket, 'close').then(() => received)
  await once(socket, 'connect')
  socket.write(text)
  return { socket, closed }
}

/** Sends raw text and returns everything received until the connection closes. */
const raw = async (text: string): Promise<string> => (await open(text)).closed

const lines = (...all: string[]) => `${all.join('\r\n')}\r\n\r\n`

const CODES: Record<number, string> = {
  400: 'bad_request',
  404: 'not_found',
  413: 'payload_too_large',
  415: 'unsupported_media_type',
  417: 'expectation_failed',
  431: 'headers_too_large',
  500: 'internal',
  504: 'timeout',
}

const problem = (status: number, title: string, detail: string) => ({
  type: 'about:blank',
  title,
  status,
  code: CODES[status],
  detail,
  request_id: expect.any(String),
})

const expectProblem = async (response: Response, body: ReturnType<typeof problem>) => {
  expect(response.status).toBe(body.status)
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  expect(Object.fromEntries(response.headers)).toMatchObject(SECURITY)
  expect(await response.json()).toEqual(body)
}

describe('readService', () => {
  const read = async (text: string) => {
    const path = join(folder, 'other.yml')
    await writeFile(path, text)
    return readService(path)
  }
  const one = (fn: string) => read(`service: a\nprovider: {}\nfunctions:\n  broken: ${fn}`)

  it('reads functions, files, limits, routes and schedules despite CloudFormation tags', async () => {
    const { name, root, functions } = await readService(join(folder, 'serverless.yml'))
    expect({ name, root }).toEqual({ name: 'sample', root: folder })
    expect(functions.find((fn) => fn.name === 'create')).toEqual({
      name: 'create',
      file: 'functions/tasks/create.ts',
      exportName: 'handler',
      timeoutSeconds: 5,
      memoryMb: 256,
      routes: [{ key: 'POST /tasks', method: 'POST', path: '/tasks' }],
      scheduled: false,
    })
    expect(functions.flatMap((fn) => fn.routes.map((route) => `${fn.name} ${route.key}`))).toEqual([
      'catchAll $default',
      'files GET /files/{proxy+}',
      'read GET /tasks/{id}',
      'remove DELETE /tasks/{id}',
      'create POST /tasks',
      'search ANY /tasks/search',
      'result GET /result',
      'slow GET /slow',
      'held GET /held',
    ])
    expect(functions.filter((fn) => fn.scheduled).map((fn) => fn.name)).toEqual(['tick'])
    expect(functions.find((fn) => fn.name === 'slow')?.timeoutSeconds).toBe(1)
  })

  it('defaults to a timeout of 6 seconds', async () => {
    expect((await one('{ handler: a.b }')).functions[0]?.timeoutSeconds).toBe(6)
  })

  it.each([
    ['null'],
    ['{ events: [] }'],
    ['{ handler: nodot }'],
    [`{ handler: "a.\${x}" }`],
    [`{ handler: a.b, timeout: "\${param:t}" }`],
    ['{ handler: a.b, timeout: 0 }'],
    ['{ handler: a.b, events: [httpApi] }'],
    ['{ handler: a.b, events: [{ httpApi: FETCH /x }] }'],
    ['{ handler: a.b, events: [{ httpApi: /x }] }'],
    ['{ handler: a.b, events: [{ httpApi: GET x }] }'],
    ['{ handler: a.b, events: [{ httpApi: GET /x/ }] }'],
    ['{ handler: a.b, events: [{ httpApi: "GET /x{id}" }] }'],
    ['{ handler: a.b, events: [{ httpApi: "GET /{p+}/x" }] }'],
    ['{ handler: a.b, events: [{ httpApi: { path: /x } }] }'],
    ['{ handler: a.b, events: [{ httpApi: { method: GET, path: "*" } }] }'],
    ['{ handler: a.b, events: [{ httpApi: null }] }'],
  ])('names the function whose entry is malformed: %s', async (fn) => {
    await expect(one(fn)).rejects.toThrow(/functions\.broken/)
  })

  it('rejects two functions on the same route', async () => {
    const twice = `service: a\nprovider: {}\nfunctions:
  one: { handler: a.b, events: [{ httpApi: 'GET /a/{id}' }] }
  two: { handler: a.b, events: [{ httpApi: 'GET /a/{name}' }] }`
    await expect(read(twice)).rejects.toThrow('one and two both serve "GET /a/{name}"')
  })

  it('names a file that is missing or not valid YAML', async () => {
    await expect(read('a: [')).rejects.toThrow(/other\.yml is not valid YAML/)
    await expect(readService('/nowhere/serverless.yml')).rejects.toThrow('/nowhere/serverless.yml')
  })

  it('names a function whose handler cannot be loaded', async () => {
    const service = await read('service: a\nprovider: {}\nfunctions:\n  mine: { handler: mine.handler }')
    await expect(loadHandlers(service)).rejects.toThrow("function mine: mine.ts can't be loaded")
    await writeFile(join(folder, 'mine.ts'), 'export const other = 1')
    await expect(loadHandlers(service)).rejects.toThrow('mine')
    expect(() => createApp({ ...service, functions: [] }, {}, { onError: () => {} })).not.toThrow()
  })

  it('rejects a route without a handler at startup', async () => {
    const service = await readService(join(folder, 'serverless.yml'))
    expect(() => createApp(service, {}, { onError: () => {} })).toThrow(
      /function \w+ has routes but no handler/,
    )
  })
})

describe('routes', () => {
  it.each([
    ['GET', '/tasks/search', 'ANY /tasks/search'],
    ['DELETE', '/tasks/search', 'ANY /tasks/search'],
    ['GET', '/tasks/7', 'GET /tasks/{id}'],
    ['DELETE', '/tasks/7', 'DELETE /tasks/{id}'],
    ['GET', '/files/a/b', 'GET /files/{proxy+}'],
    ['POST', '/tasks', 'POST /tasks'],
    ['PUT', '/tasks', '$default'],
    ['OPTIONS', '/tasks', '$default'],
    ['GET', '/tasks/', '$default'],
    ['GET', '/Tasks/7', '$default'],
    ['GET', '/files/', '$default'],
    ['PROPFIND', '/', '$default'],
  ])('%s %s is served by %s', async (method, path, routeKey) => {
    const event = await eventOf(path, { method })
    expect([event.routeKey, event.requestContext.routeKey]).toEqual([routeKey, routeKey])
    expect(event.requestContext.http.method).toBe(method)
  })

  it('serves HEAD with the GET handler, sending content-length and no body', async () => {
    result = () => ({ statusCode: 200, body: 'four' })
    const head = await get('/result', { method: 'HEAD' })
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '4'])
    expect(await head.text()).toBe('')
    expect((await get('/nowhere', { method: 'HEAD' })).status).toBe(404)
  })

  it('returns a problem document if no route matches and there is no catch-all', async () => {
    const app = createApp({ name: 'a', root: folder, functions: [] }, {}, { onError: () => {} })
    const bare = await listen(app, { host: '127.0.0.1', port: 0 })
    await expectProblem(await fetch(bare.url), problem(404, 'Not Found', 'no such route'))
    await bare.close(0)
  })
})

describe('event and context', () => {
  it('passes an API Gateway event, version 2.0', async () => {
    const before = Date.now()
    const event = await eventOf('/tasks?a=1&a=2&b=x%20y+z&__proto__=p&constructor=c&bad=%zz&empty', {
      method: 'POST',
      body: '{"ä":1}',
      headers: { 'content-type': 'application/json; charset=utf-8', 'X-Mixed': 'Case', 'user-agent': 'me' },
    })
    const { requestContext, headers, queryStringParameters, ...rest } = event
    expect(rest).toEqual({
      version: '2.0',
      routeKey: 'POST /tasks',
      rawPath: '/tasks',
      rawQueryString: 'a=1&a=2&b=x%20y+z&__proto__=p&constructor=c&bad=%zz&empty',
      body: '{"ä":1}',
      isBase64Encoded: false,
    })
    expect(Object.entries(queryStringParameters ?? {})).toEqual([
      ['a', '1,2'],
      ['b', 'x y z'],
      ['__proto__', 'p'],
      ['constructor', 'c'],
      ['bad', '%zz'],
      ['empty', ''],
    ])
    expect(headers).toMatchObject({ 'x-mixed': 'Case', host: new URL(server.url).host })
    const { time, timeEpoch, requestId, ...fixed } = requestContext
    expect(fixed).toEqual({
      accountId: '000000000000',
      apiId: 'container',
      domainName: '127.0.0.1',
      domainPrefix: '127',
      http: { method: 'POST', path: '/tasks', protocol: 'HTTP/1.1', sourceIp: '127.0.0.1', userAgent: 'me' },
      routeKey: 'POST /tasks',
      stage: '$default',
    })
    expect(timeEpoch).toBeGreaterThanOrEqual(before)
    expect(time).toMatch(/^\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000$/)
    expect(requestId).toBe(context?.awsRequestId)
  })

  it('joins repeated headers with commas and splits cookies', async () => {
    const response = await raw(
      lines(
        'GET /tasks/1 HTTP/1.1',
        'Host: a.b.c:80',
        'X-A: 1',
        'x-a: 2',
        '__proto__: p',
        'toString: t',
        'Cookie: a=1; b=2',
        'cookie: c=3',
        'Connection: close',
      ),
    )
    const event = JSON.parse(response.slice(response.indexOf('{')))
    expect(Object.entries(event.headers)).toEqual([
      ['host', 'a.b.c:80'],
      ['x-a', '1,2'],
      ['__proto__', 'p'],
      ['tostring', 't'],
      ['connection', 'close'],
    ])
    expect(event.cookies).toEqual(['a=1', 'b=2', 'c=3'])
    expect(event.requestContext).toMatchObject({ domainName: 'a.b.c', domainPrefix: 'a' })
  })

  it('omits event fields for which the request has no value', async () => {
    const event = await eventOf('/tasks', { method: 'POST' })
    for (const key of ['body', 'cookies', 'queryStringParameters', 'pathParameters'])
      expect(event).not.toHaveProperty(key)
  })

  it.each([
    ['/%74asks/7', 'GET /tasks/{id}', '7'],
    ['/tasks/%37%2E%7e', 'GET /tasks/{id}', '7.~'],
    ['/tasks/a%2fb', 'GET /tasks/{id}', 'a/b'],
    ['/tasks/%2574', 'GET /tasks/{id}', '%74'],
    ['/tasks/%25%37%34', 'GET /tasks/{id}', '%74'],
    ['/%74asks/%73earch', 'ANY /tasks/search', undefined],
  ])('decodes %s once, before it looks for the route', async (path, routeKey, id) => {
    const response = await raw(lines(`GET ${path} HTTP/1.1`, 'Host: a', 'Connection: close'))
    const event = JSON.parse(response.slice(response.indexOf('{')))
    expect([event.routeKey, event.pathParameters?.id]).toEqual([routeKey, id])
  })

  it('does not decode the query', async () => {
    const event = await eventOf('/%74asks/7?%74=%31')
    expect([event.rawPath, event.rawQueryString]).toEqual(['/tasks/7', '%74=%31'])
  })

  it('decodes path parameters', async () => {
    expect((await eventOf('/tasks/a%2Fb%20%C3%A4')).pathParameters).toEqual({ id: 'a/b ä' })
    expect((await eventOf('/files/a/b%20c//d')).pathParameters).toEqual({ proxy: 'a/b c//d' })
    expect((await eventOf('/files/a%20b')).rawPath).toBe('/files/a b')
  })

  it.each([
    ['text/plain', false],
    ['APPLICATION/JSON', false],
    ['application/xml', false],
    ['application/jsonx', true],
    ['application/octet-stream', true],
    ['application/x-www-form-urlencoded', true],
  ])('base64-encodes a body of type %s: %s', async (type, base64) => {
    const body = base64 ? Buffer.from([0, 255, 128]) : 'text'
    const event = await eventOf('/tasks', { method: 'POST', body, headers: { 'content-type': type } })
    expect(event).toMatchObject({ body: base64 ? 'AP+A' : 'text', isBase64Encoded: base64 })
  })

  it('takes the source address from the socket unless a proxy is trusted', async () => {
    const headers = { 'x-forwarded-for': '203.0.113.9' }
    expect((await eventOf('/tasks/1', { headers })).requestContext.http.sourceIp).toBe('127.0.0.1')
    const service = await readService(join(folder, 'serverless.yml'))
    const trusting = await listen(createApp(service, handlers, { onError: () => {}, trustProxy: 1 }), {
      host: '127.0.0.1',
      port: 0,
    })
    const response = await fetch(`${trusting.url}/tasks/1`, { headers })
    expect(await response.json()).toMatchObject({ requestContext: { http: { sourceIp: '203.0.113.9' } } })
    await trusting.close(0)
  })

  it('passes a Lambda context whose remaining time counts down from the timeout', async () => {
    await eventOf('/tasks', { method: 'POST' })
    const first = context
    await eventOf('/tasks', { method: 'POST' })
    expect(first).toMatchObject({
      functionName: 'create',
      memoryLimitInMB: '256',
      functionVersion: '$LATEST',
    })
    expect(first?.invokedFunctionArn).toMatch(/:function:create$/)
    expect(first?.awsRequestId).toMatch(/^[\da-f-]{36}$/)
    expect(first?.awsRequestId).not.toBe(context?.awsRequestId)
    expect(context?.getRemainingTimeInMillis()).toBeGreaterThan(4000)
    expect(context?.getRemainingTimeInMillis()).toBeLessThanOrEqual(5000)
  })

  it('isolates concurrent invocations in the invoke store', async () => {
    const store = await InvokeStore.getInstanceAsync()
    const gate = Promise.withResolvers<void>()
    const idsOf = async (): Promise<string[]> => (await get('/result')).json() as Promise<string[]>
    let waiting = 0
    result = async () => {
      const before = store.getRequestId()
      if (++waiting === 10) gate.resolve()
      await gate.promise
      return [before, store.getRequestId()]
    }
    const pairs = await Promise.all(Array.from({ length: 10 }, idsOf))
    for (const pair of pairs) expect(pair).toEqual([pair[0], pair[0]])
    expect(new Set(pairs.flat()).size).toBe(10)
  })
})

describe('responses', () => {
  it.each<[string, unknown, string]>([
    ['a plain object', { a: 1 }, '{"a":1}'],
    ['a string', 'Hello', 'Hello'],
    ['a number', 7, '7'],
    ['an array', [1], '[1]'],
  ])('sends %s as a JSON response with status 200 if there is no status code', async (_, value, text) => {
    result = () => value
    const response = await get('/result')
    expect([response.status, response.headers.get('content-type'), await response.text()]).toEqual([
      200,
      'application/json',
      text,
    ])
  })

  it('sends status, headers, cookies and body without adding framework headers', async () => {
    result = async () => ({
      statusCode: 201,
      headers: {
        'Content-Type': 'application/json',
        Location: '/tasks/1',
        'x-n': 5,
        'x-b': true,
        'x-u': undefined,
      },
      cookies: ['a=1; Path=/', 'b=2'],
      body: '{"ä":1}',
    })
    const response = await get('/result')
    expect(response.status).toBe(201)
    expect(response.headers.getSetCookie()).toEqual(['a=1; Path=/', 'b=2'])
    expect([...response.headers.keys()].sort()).toEqual([
      'connection',
      'content-length',
      'content-type',
      'date',
      'keep-alive',
      'location',
      'set-cookie',
      'set-cookie',
      'x-b',
      'x-n',
    ])
    expect(response.headers.get('content-length')).toBe('8')
    expect(await response.text()).toBe('{"ä":1}')
  })

  it('decodes a base64 body and defaults its content type to plain text', async () => {
    result = () => ({ statusCode: 200, isBase64Encoded: true, body: 'AP+A' })
    const response = await get('/result')
    expect(Buffer.from(await response.arrayBuffer())).toEqual(Buffer.from([0, 255, 128]))
    expect(response.headers.get('content-type')).toBe('text/plain;charset=UTF-8')
  })

  it('sends a 204 without a body', async () => {
    result = () => ({ statusCode: 204, body: 'ignored' })
    const response = await get('/result')
    expect([response.status, response.headers.get('content-length'), await response.text()]).toEqual([
      204,
      null,
      '',
    ])
  })

  it('ignores framing headers from a handler', async () => {
    const headers = { 'transfer-encoding': 'chunked', 'content-length': '999', connection: 'close' }
    result = () => ({ statusCode: 200, headers, body: 'abc' })
    const response = await get('/result')
    expect([response.headers.get('content-length'), response.headers.get('connection')]).toEqual([
      '3',
      'keep-alive',
    ])
    expect(await response.text()).toBe('abc')
  })

  const cyclic: Record<string, unknown> = {}
  cyclic.self = cyclic
  it.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('secret')
      },
    ],
    ['rejects', () => Promise.reject(new Error('secret'))],
    ['rejects without an error', () => Promise.reject()],
    ['returns undefined', () => undefined],
    ['returns null', () => null],
    ['returns a function', () => () => {}],
    ['returns a cyclic object', () => cyclic],
    ['returns a bigint', () => ({ n: 1n })],
    ['returns status 9999', () => ({ statusCode: 9999 })],
    ['returns status 100', () => ({ statusCode: 100 })],
    ['returns status "200"', () => ({ statusCode: '200' })],
    ['returns a symbol as the status', () => ({ statusCode: Symbol('s') })],
    ['returns an object as the body', () => ({ statusCode: 200, body: {} })],
    [
      'returns a header with a line break',
      () => ({ statusCode: 204, headers: { 'x-a': 'a\r\nset-cookie: b=1' } }),
    ],
    ['returns a header name with a space', () => ({ statusCode: 200, headers: { 'x a': 'b' } })],
    ['returns a non-Latin-1 header', () => ({ statusCode: 200, headers: { 'x-a': '✓' } })],
    ['returns an object as a header', () => ({ statusCode: 200, headers: { 'x-a': {} } })],
    ['returns a cookie with a line break', () => ({ statusCode: 200, cookies: ['a=1\nb'] })],
    ['returns cookies that are not an array', () => ({ statusCode: 200, cookies: 'a=1' })],
    [
      'returns an object with a getter that throws',
      () => ({
        get statusCode() {
          throw new Error('secret')
        },
      }),
    ],
    [
      'returns a thenable that throws',
      () =>
        Object.fromEntries([
          [
            'then',
            () => {
              throw new Error('secret')
            },
          ],
        ]),
    ],
  ])('a handler that %s causes a 500 and an error report', async (_, value) => {
    result = value
    await expectProblem(await get('/result'), problem(500, 'Internal Server Error', 'internal error'))
    expect(errors.map((report) => report.functionName)).toEqual(['result'])
  })

  it('returns 504 when the function does not return within its timeout', async () => {
    await expectProblem(await get('/slow'), problem(504, 'Gateway Timeout', 'the request took too long'))
    expect(errors).toMatchObject([
      { functionName: 'slow', error: { message: 'slow timed out after 1 seconds' } },
    ])
  })
})

describe('bad requests', () => {
  it('rejects a body over 256 KiB, with or without a content-length', async () => {
    const limit = 256 * 1024
    const tooLarge = problem(413, 'Content Too Large', `the body is larger than ${limit} bytes`)
    const declared = await raw(
      `${lines('POST /tasks HTTP/1.1', 'Host: a', `Content-Length: ${limit + 1}`, 'Connection: close')}`,
    )
    expect(declared).toContain('413 Payload Too Large')
    expect(JSON.parse(declared.slice(declared.indexOf('{')))).toEqual(tooLarge)
    const body = new ReadableStream({
      start: (stream) => {
        stream.enqueue(new Uint8Array(limit))
        stream.enqueue(new Uint8Array(1))
        stream.close()
      },
    })
    await expectProblem(await get('/tasks', { method: 'POST', body, duplex: 'half' }), tooLarge)
    const headers = { 'content-type': 'text/plain' }
    const fits = await eventOf('/tasks', { method: 'POST', body: 'a'.repeat(limit), headers })
    expect(fits.body?.length).toBe(limit)
  })

  it('rejects compressed bodies', async () => {
    const headers = { 'content-encoding': 'gzip' }
    await expectProblem(
      await get('/tasks', { method: 'POST', body: 'x', headers }),
      problem(415, 'Unsupported Media Type', "content-encoding gzip isn't supported"),
    )
  })

  it.each(['/tasks/%zz', '/tasks/%ff', '/tasks/%%37%34', '/files/%E0%A4%A', '/nowhere/%'])(
    'returns 400 for the path %s',
    async (path) => {
      const response = await raw(lines(`GET ${path} HTTP/1.1`, 'Host: a', 'Connection: close'))
      expect(response).toMatch(/^HTTP\/1\.1 400 /)
      expect(JSON.parse(response.slice(response.indexOf('{')))).toEqual(
        problem(400, 'Bad Request', 'the path is not encoded correctly'),
      )
    },
  )

  it.each([
    ['an absolute target', 'GET http://h/tasks/1 HTTP/1.1', 'GET /tasks/{id}'],
    ['an absolute target that is not a URL', 'GET http://[::bad/tasks/1 HTTP/1.1', 'GET /tasks/{id}'],
    ['an absolute target without a path', 'GET http://h?x HTTP/1.1', '$default'],
    ['the target *', 'OPTIONS * HTTP/1.1', '$default'],
    ['HTTP/1.0', 'GET /tasks/1 HTTP/1.0', 'GET /tasks/{id}'],
  ])('serves %s', async (_, line, routeKey) => {
    expect(await raw(lines(line, 'Host: a', 'Connection: close'))).toContain(`"routeKey":"${routeKey}"`)
  })

  const chunked = lines('POST /tasks HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked')
  it.each([
    ['garbage', 'garbage\r\n\r\n', 400],
    ['a missing host', lines('GET / HTTP/1.1'), 400],
    ['two hosts', lines('GET /tasks/1 HTTP/1.1', 'Host: a', 'Host: b', 'Connection: close'), 400],
    ['a repeated host', lines('GET /nowhere HTTP/1.1', 'Host: a', 'host: a', 'Connection: close'), 400],
    [
      'conflicting framing headers',
      lines('POST /tasks HTTP/1.1', 'Host: a', 'Content-Length: 1', 'Transfer-Encoding: chunked'),
      400,
    ],
    ['a bad chunk', `${chunked}zz\r\n`, 400],
    ['a bad chunk in a later packet', `${chunked}1;${'x'.repeat(70_000)}`, 413],
    ['huge headers', lines('GET / HTTP/1.1', 'Host: a', `X: ${'x'.repeat(20_000)}`), 431],
    [
      'many headers',
      lines('GET / HTTP/1.1', 'Host: a', 'Connection: close', ...Array(200).fill('a: b')),
      431,
    ],
    ['an unknown Expect value', lines('GET / HTTP/1.1', 'Host: a', 'Expect: cake', 'Connection: close'), 417],
  ])('rejects %s with a problem before any handler runs', async (_, text, status) => {
    context = undefined
    const response = await raw(text)
    const [head = '', body = ''] = response.split('\r\n\r\n')
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    const { request_id, ...document } = JSON.parse(body)
    expect(document).toMatchObject({ type: 'about:blank', status, code: CODES[status] })
    const headers = head.toLowerCase().split('\r\n')
    expect(headers).toEqual(
      expect.arrayContaining([
        'content-type: application/problem+json',
        'cache-control: no-store',
        'x-content-type-options: nosniff',
        `x-request-id: ${request_id}`,
        'connection: close',
        `content-length: ${body.length}`,
      ]),
    )
    expect([context, errors]).toEqual([undefined, []])
  })

  it('sends 100 Continue to a client that waits for it', async () => {
    const { socket, closed } = await open(
      lines(
        'POST /tasks HTTP/1.1',
        'Host: a',
        'Expect: 100-continue',
        'Content-Length: 2',
        'Content-Type: text/plain',
        'Connection: close',
      ),
    )
    await once(socket, 'data')
    socket.write('ok')
    expect(await closed).toMatch(/^HTTP\/1\.1 100 Continue.*200 OK.*"body":"ok"/s)
  })

  it('drops a request whose client disconnects while sending the body', async () => {
    context = undefined
    const { socket, closed } = await open(
      `${lines('POST /tasks HTTP/1.1', 'Host: a', 'Content-Length: 9')}half`,
    )
    socket.resetAndDestroy()
    await closed
    expect((await get('/tasks/1')).status).toBe(200)
    expect([context, errors]).toEqual([undefined, []])
  })

  it('survives a client that disconnects before the response', async () => {
    const { socket, closed } = await open(lines('GET /held HTTP/1.1', 'Host: a'))
    await entered.promise
    socket.resetAndDestroy()
    await closed
    held.resolve({ statusCode: 200, body: 'late' })
    expect((await get('/tasks/1')).status).toBe(200)
    expect(errors).toEqual([])
  })
})

describe('server', () => {
  it('names the host and port when it cannot listen', async () => {
    const { port } = new URL(server.url)
    await expect(listen(() => {}, { host: '127.0.0.1', port: Number(port) })).rejects.toThrow(
      `can't listen on 127.0.0.1:${port}: the port is taken`,
    )
    await expect(listen(() => {}, { host: '203.0.113.1', port: 0 })).rejects.toThrow(
      "can't listen on 203.0.113.1:0",
    )
  })

  it('on close, refuses new connections, finishes a running request and then closes its connection', async () => {
    const other = await start()
    const idle = await open('', other)
    const half = await open('GET / HT', other)
    const running = await open(lines('GET /held HTTP/1.1', 'Host: a'), other)
    await entered.promise
    const closing = other.close(60_000)
    await expect(fetch(other.url)).rejects.toThrow()
    held.resolve({ statusCode: 200, body: 'done' })
    const answer = await running.closed
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK.*Connection: close.*done$/s)
    await Promise.all([closing, other.close(0), idle.closed, half.closed])
  })

  it('closes idle keep-alive connections immediately', async () => {
    const other = await start()
    const { socket, closed } = await open(lines('GET /tasks/1 HTTP/1.1', 'Host: a'), other)
    await once(socket, 'data')
    await other.close(60_000)
    expect(await closed).toContain('Connection: keep-alive')
  })

  it('cuts off requests that outlast the grace period', async () => {
    const other = await start()
    const running = await open(lines('GET /held HTTP/1.1', 'Host: a'), other)
    await entered.promise
    await other.close(20)
    expect(await running.closed).toBe('')
  })
})
