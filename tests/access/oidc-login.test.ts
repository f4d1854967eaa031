import { once } from 'node:events'
import { createServer, request as forward } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { returnUrl } from '../../shared/access/session/return-url.ts'
import { type Runtime, startProcess } from '../conformance/runtime.ts'
import { eventually } from '../setup/eventually.ts'
import { createTestDatabase } from '../setup/test-database.ts'
import { Browser, type Page } from './browser.ts'
import { AUDIENCE, signingKey } from './issuer.ts'
import { startLoginIssuer } from './login-issuer.ts'

let database: Awaited<ReturnType<typeof createTestDatabase>>
let issuer: Awaited<ReturnType<typeof startLoginIssuer>>
let runtime: Runtime
let proxy: ReturnType<typeof createServer>
/** PUBLIC_URL: a proxy that serves the API under a path, and removes it. */
let api: string
let upstream = ''

beforeAll(async () => {
  database = await createTestDatabase()
  proxy = createServer((incoming, response) => {
    const { method, headers, url = '' } = incoming
    if (!url.startsWith('/scheduler/')) return void response.writeHead(404).end()
    const path = url.slice('/scheduler'.length)
    const outgoing = forward(upstream + path, { method, headers, setHost: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(response)
    })
    incoming.pipe(outgoing)
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  // The cast is safe because the server listens on a TCP port.
  api = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/scheduler`
  issuer = await startLoginIssuer(await signingKey('1'), `${api}/session/oidc/callback`)
  runtime = await start()
  upstream = runtime.url
}, 60_000)

afterAll(async () => {
  proxy.close()
  proxy.closeAllConnections()
  await runtime?.kill()
  await issuer?.stop()
  await database?.drop()
})

beforeEach(() => {
  Object.assign(issuer.state, { person: 'ann', denies: false, isDown: false })
})

const start = (env: Record<string, string> = {}) =>
  startProcess(['infra/container/main.ts'], {
    DATABASE_URL: database.url,
    PORT: '0',
    HOST: '127.0.0.1',
    SCHEDULER_ENABLE: 'false',
    API_KEY: 'admin-0123456789',
    PUBLIC_URL: api,
    OIDC_ISSUER: issuer.url,
    OIDC_AUDIENCE: AUDIENCE,
    OIDC_SCOPES: 'write=tasks:write,read=tasks:read',
    OIDC_CLIENT_ID: 'dashboard',
    OIDC_CLIENT_SECRET: 'dashboard-secret',
    OIDC_LOGIN_PARAMS: new URLSearchParams({
      scope: 'openid tasks:read tasks:write',
      resource: AUDIENCE,
    }).toString(),
    ...env,
  })

const locationOf = ({ headers }: Page): string => headers.get('location') ?? ''

/** Goes to the issuer and signs in there. Returns the URL that the issuer sends the browser back to. */
async function signIn(browser: Browser, returnTo = '/'): Promise<string> {
  const away = await browser.send(`${api}/session/oidc?${new URLSearchParams({ return_to: returnTo })}`, {
    navigates: true,
  })
  return await throughIssuer(locationOf(away))
}

/** Follows the issuer's redirects, with its own cookies, until it leads back. */
async function throughIssuer(from: string): Promise<string> {
  const atIssuer = new Browser()
  let url = from
  for (let step = 0; step < 6 && url.startsWith(issuer.url); step += 1) {
    const { headers, status, text } = await atIssuer.send(url, { navigates: true })
    const location = headers.get('location')
    if (location === null) throw new Error(`the issuer answered ${status}: ${text.slice(0, 500)}`)
    url = new URL(location, url).href
  }
  return url
}

const back = (browser: Browser, url: string, headers = {}): Promise<Page> =>
  browser.send(url, { navigates: true, crossSite: true, headers })

async function logIn(browser: Browser, returnTo?: string): Promise<Page> {
  return await back(browser, await signIn(browser, returnTo))
}

const session = async (browser: Browser) => (await browser.send(`${api}/session`)).json()
const NOBODY = { login: 'oidc', name: null, scope: null, expires_at: null }

describe('a login with the issuer', () => {
  test('becomes a session with the scope that the access token gives, and leaves nothing behind', async () => {
    const browser = new Browser()
    expect(await session(browser)).toEqual(NOBODY)
    const done = await logIn(browser, '/?state=failing#top')
    expect([done.status, locationOf(done)]).toEqual([303, `${api}/?state=failing#top`])
    expect([...browser.cookies]).toEqual([
      ['tsk_session', expect.objectContaining({ path: '/scheduler', sameSite: 'Strict', isHttpOnly: true })],
    ])
    expect(await session(browser)).toMatchObject({ login: 'oidc', name: 'ann', scope: 'write' })
    const pause = await browser.send(`${api}/tasks/pause?all=true`, { method: 'POST' })
    expect(pause.status).toBe(200)
    expect((await browser.send(`${api}/keys`)).status).toBe(403)
    const [row] = await database.sql`select owner, name, scope from sessions where owner like 'oidc:%'`
    expect(row).toEqual({ owner: `oidc:${new URL(issuer.url).host}:ann`, name: 'ann', scope: 'write' })
    expect((await browser.send(`${api}/session`, { method: 'DELETE' })).status).toBe(200)
    expect(browser.cookies.size).toBe(0)
  })

  test('gives each person what their own token gives', async () => {
    issuer.state.person = 'eve'
    const browser = new Browser()
    await logIn(browser)
    expect(await session(browser)).toMatchObject({ name: 'eve', scope: 'read' })
    const pause = await browser.send(`${api}/tasks/pause?all=true`, { method: 'POST' })
    expect(pause.status).toBe(403)
  })

  test('keeps state, nonce and verifier in one cookie that the page cannot read, for ten minutes', async () => {
    const browser = new Browser()
    const away = new URL(locationOf(await browser.send(`${api}/session/oidc`, { navigates: true })))
    expect(browser.received).toEqual([
      expect.stringMatching(/^tsk_login=[\w-]+; Path=\/scheduler; HttpOnly; SameSite=Lax; Max-Age=600$/),
    ])
    expect(Object.fromEntries(away.searchParams)).toMatchObject({
      response_type: 'code',
      client_id: 'dashboard',
      redirect_uri: `${api}/session/oidc/callback`,
      code_challenge_method: 'S256',
    })
    expect(away.href).not.toContain('code_verifier')
  })

  test('ends 12 hours after it, however often the session is used', async () => {
    const browser = new Browser()
    await logIn(browser)
    await database.sql`update sessions set created_at = now() - interval '12 hours' where owner like '%:ann'`
    await eventually(async () => expect(await session(browser)).toEqual(NOBODY), 10)
  })

  test('ends the session that the browser sends along, at once', async () => {
    const old = new Browser()
    await logIn(old)
    const next = new Browser()
    const url = await signIn(next)
    const cookie = [old, next]
      .flatMap(({ cookies }) => [...cookies])
      .map(([name, { value }]) => `${name}=${value}`)
      .join('; ')
    expect(await session(old)).toMatchObject({ name: 'ann' })
    expect((await back(next, url, { cookie })).status).toBe(303)
    expect(await session(old)).toEqual(NOBODY)
    expect(await session(next)).toMatchObject({ name: 'ann' })
  })

  test('ends when the settings of the issuer change', async () => {
    const browser = new Browser()
    await logIn(browser)
    const other = await start({ OIDC_SCOPES: 'read=tasks:write' })
    const cookie = `tsk_session=${browser.cookies.get('tsk_session')?.value}`
    const statusAt = async (url: string) => (await fetch(`${url}/tasks`, { headers: { cookie } })).status
    expect([await statusAt(runtime.url), await statusAt(other.url)]).toEqual([200, 401])
    await other.kill()
  })
})

describe('a login is refused', () => {
  test('if the person gives no permission at the issuer', async () => {
    issuer.state.denies = true
    const page = await logIn(new Browser())
    expect(page.status).toBe(403)
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(page.text).toContain('refused the login: access_denied')
  })

  test('if nothing in the token gives access', async () => {
    const other = await start({ OIDC_SCOPES: 'admin=platform-team' })
    upstream = other.url
    const browser = new Browser()
    const page = await logIn(browser).finally(() => {
      upstream = runtime.url
    })
    expect([page.status, browser.cookies.size]).toEqual([403, 0])
    expect(page.text).toContain('nothing in the token&#39;s claim scope gives access')
    await other.kill()
  })

  test('in another browser than the one that it began in (login CSRF)', async () => {
    const url = await signIn(new Browser())
    const victim = new Browser()
    const page = await back(victim, url)
    expect([page.status, victim.cookies.size]).toEqual([401, 0])
    expect(page.text).toContain('no login is in progress in this browser')
  })

  test('with the code of another login (mixed up, or injected)', async () => {
    const [own, others] = [new Browser(), new Browser()]
    const [mine, theirs] = [new URL(await signIn(own)), new URL(await signIn(others))]
    mine.searchParams.set('code', theirs.searchParams.get('code') ?? '')
    const page = await back(own, mine.href)
    expect([page.status, own.cookies.size]).toEqual([401, 0])
    expect(page.text).toContain('does not accept this login anymore')
  })

  test('with the state of another login, or with none', async () => {
    for (const change of [
      (it: URLSearchParams) => it.set('state', 'x'),
      (it: URLSearchParams) => it.delete('state'),
    ]) {
      const browser = new Browser()
      const url = new URL(await signIn(browser))
      change(url.searchParams)
      const before = issuer.state.tokenRequests
      expect((await back(browser, url.href)).status).toBe(401)
      expect(issuer.state.tokenRequests).toBe(before)
    }
  })

  test('from another issuer', async () => {
    const browser = new Browser()
    const url = new URL(await signIn(browser))
    url.searchParams.set('iss', 'https://evil.example')
    expect((await back(browser, url.href)).status).toBe(401)
  })

  test('the second time (replayed)', async () => {
    const browser = new Browser()
    const url = await signIn(browser)
    const kept = `tsk_login=${browser.cookies.get('tsk_login')?.value}`
    expect((await back(browser, url)).status).toBe(303)
    expect((await back(browser, url)).status).toBe(401)
    expect((await back(new Browser(), url, { cookie: kept })).status).toBe(401)
  })

  test('with a code that occurs twice, or is made up', async () => {
    const browser = new Browser()
    const url = await signIn(browser)
    expect((await back(browser, `${url}&code=x`)).status).toBe(401)
    const made = new URL(await signIn(browser))
    made.searchParams.set('code', 'made-up')
    expect((await back(browser, made.href)).status).toBe(401)
  })

  test('with a changed cookie', async () => {
    const browser = new Browser()
    const url = await signIn(browser)
    for (const value of ['', 'x', btoa('{}'), btoa('{"state":1}'), 'x'.repeat(4000)])
      expect((await back(new Browser(), url, { cookie: `tsk_login=${value}` })).status).toBe(401)
  })

  test('in the first of two tabs, while the second works, and the session then works in both', async () => {
    const browser = new Browser()
    const first = await signIn(browser)
    expect((await logIn(browser)).status).toBe(303)
    expect((await back(browser, first)).status).toBe(401)
    expect(await session(browser)).toMatchObject({ name: 'ann' })
  })

  test('as JSON, if no page is wanted', async () => {
    const answer = await fetch(`${api}/session/oidc/callback?code=x&state=y`)
    expect([answer.status, answer.headers.get('content-type')]).toEqual([401, 'application/problem+json'])
  })

  test('while the issuer does not work', async () => {
    const browser = new Browser()
    const url = await signIn(browser)
    issuer.state.isDown = true
    const page = await back(browser, url)
    expect([page.status, page.headers.get('retry-after')]).toEqual([503, '5'])
  })
})

test('a page of another site can neither use the session nor see it', async () => {
  const browser = new Browser()
  await logIn(browser)
  const foreign = { crossSite: true }
  expect((await browser.send(`${api}/tasks`, foreign)).status).toBe(401)
  const pause = await browser.send(`${api}/tasks/pause?all=true`, { method: 'POST', ...foreign })
  expect(pause.status).toBe(403)
})

test.for([
  '//evil.example',
  '/\\evil.example',
  'https://evil.example',
  '/\t/evil.example',
  'javascript:alert(1)',
  '@evil.example',
  '',
])('a login never leads to %j', async (returnTo) => {
  const away = await new Browser().send(
    `${api}/session/oidc?${new URLSearchParams({ return_to: returnTo })}`,
    { navigates: true },
  )
  expect(away.status).toBe(422)
  expect(returnUrl('https://example.org/base', returnTo)).toBe('https://example.org/base/')
})

test.for([
  ['/', '/'],
  ['/tasks?a=//b#c', '/tasks?a=//b#c'],
  ['/../x', '/'],
  ['/%2e%2e/x', '/'],
  ['/a/../b', '/b'],
] as const)('a login that came from %j leads to %j below PUBLIC_URL', ([path, expected]) => {
  expect(returnUrl('https://example.org/base', path)).toBe(`https://example.org/base${expected}`)
})

test('neither tokens nor codes nor secrets are logged', async () => {
  const browser = new Browser()
  const url = new URL(await signIn(browser))
  await back(browser, url.href)
  await browser.send(`${api}/tasks/424242`)
  await eventually(() => expect(runtime.log()).toMatch(/"path":"\/tasks\/424242".*"caller":"ann"/))
  const secrets = [url.searchParams.get('code'), url.searchParams.get('state'), 'dashboard-secret']
  for (const secret of [...secrets, browser.cookies.get('tsk_session')?.value])
    expect(runtime.log()).not.toContain(secret ?? 'missing')
})

test('20 failures in a minute from one address are enough, and the issuer is then left alone', async () => {
  const own = await start()
  const browser = new Browser()
  await signIn(browser)
  const kept = JSON.parse(Buffer.from(browser.cookies.get('tsk_login')?.value ?? '', 'base64url').toString())
  const query = new URLSearchParams({ code: 'x', state: kept.state, iss: issuer.url })
  const cookie = `tsk_login=${browser.cookies.get('tsk_login')?.value}`
  const fail = async () =>
    (await fetch(`${own.url}/session/oidc/callback?${query}`, { headers: { cookie } })).status
  const statuses: number[] = []
  for (let attempt = 0; attempt < 20; attempt += 1) statuses.push(await fail())
  expect(new Set(statuses)).toEqual(new Set([401]))
  const before = issuer.state.tokenRequests
  expect(await fail()).toBe(429)
  expect(issuer.state.tokenRequests).toBe(before)
  await own.kill()
})
