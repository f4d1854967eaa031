import { createPublicKey, generateKeyPairSync, sign as signBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { RequestListener, ServerResponse } from 'node:http'
import { parseEnv } from 'node:util'
import fc from 'fast-check'
import { base64url, importJWK, SignJWT } from 'jose'
import { beforeAll, describe, expect, test } from 'vitest'
import { OidcVerifier } from '../../shared/access/oidc.ts'
import { readConfig } from '../../shared/config.ts'
import { AppError } from '../../shared/errors.ts'
import type { Scope } from '../../shared/scope.ts'
import { AUDIENCE, DISCOVERY, type SigningKey, signingKey, startIssuer } from './issuer.ts'

let issuer: Awaited<ReturnType<typeof startIssuer>>
let key: SigningKey
let other: SigningKey
let elliptic: SigningKey

beforeAll(async () => {
  ;[key, other, elliptic] = await Promise.all([signingKey('1'), signingKey('2'), signingKey('3', 'ES256')])
  issuer = await startIssuer([key, elliptic])
  return () => issuer.stop()
})

type Given = { at?: { url: string }; claim?: string; scopes?: Record<string, Scope>; now?: () => number }

const SCOPES: Record<string, Scope> = { 'tasks:read': 'read', 'tasks:write': 'write' }

const verifierFor = ({ at = issuer, claim = 'scope', scopes = SCOPES, now }: Given = {}) =>
  new OidcVerifier({
    issuer: at.url,
    audience: AUDIENCE,
    algorithms: ['RS256'],
    claim,
    scopes,
    ...(now && { now }),
  })

/** A clock that tests can move forward. */
function clock() {
  let skippedMs = 0
  return {
    now: () => performance.now() + skippedMs,
    skip: (seconds: number) => {
      skippedMs += seconds * 1000
    },
  }
}

type Json = Record<string, unknown>

const seconds = () => Math.floor(Date.now() / 1000)

/** Signs a token that is valid unless the claims, the header or the key say otherwise. `undefined` removes a claim. */
async function tokenWith(claims: Json = {}, header: Json & { alg?: string } = {}, by = key) {
  return await new SignJWT({ ...claimsNow(), ...claims })
    .setProtectedHeader({ alg: by.alg, kid: by.kid, ...header })
    .sign(await importJWK(by.jwk, header.alg ?? by.alg))
}

/** Returns a rejected token's code and message, after checking that the message contains no part of the token. */
async function refusal(token: string, verifier = verifierFor()) {
  const error: unknown = await verifier.verify(token).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof AppError)) throw new Error('the token was not refused', { cause: error })
  const { code, message, cause, retryAfterSeconds } = error
  for (const part of token.split('.').filter((text) => text.length > 8)) expect(message).not.toContain(part)
  expect(cause).toBeUndefined()
  return { code, message, ...(retryAfterSeconds !== undefined && { retryAfterSeconds }) }
}

const unauthorized = (message: string) => ({ code: 'unauthorized', message })
const forbidden = (claim: string) => ({
  code: 'forbidden',
  message: `nothing in the token's claim ${claim} gives access`,
})
const UNAVAILABLE = {
  code: 'unavailable',
  message: "the OpenID Connect issuer's keys can't be fetched",
  retryAfterSeconds: 5,
}
const UNKNOWN_KEY = unauthorized('the token is signed with a key that the issuer does not have')
const WRONG_SIGNATURE = unauthorized("the token's signature is wrong")
const NOT_A_JWT = unauthorized('the token is not a valid JWT')
const WRONG_ALGORITHM = unauthorized('the token is not signed with RS256')

describe('a token from oidc-provider', () => {
  test.for<[asked: string, granted: Scope]>([
    ['tasks:read', 'read'],
    ['tasks:write', 'write'],
    ['tasks:read tasks:write', 'write'],
    ['tasks:write tasks:read', 'write'],
  ])('with the scope %s gets %s', async ([asked, scope]) => {
    const id = `oidc:${new URL(issuer.url).host}:reporter`
    expect(await verifierFor().verify(await issuer.token(asked))).toEqual({ id, name: 'reporter', scope })
  })

  test.for<[claim: string, scopes: Record<string, Scope>, scope: Scope]>([
    ['realm_access.roles', { developers: 'run' }, 'run'],
    ['realm_access.roles', { developers: 'run', 'platform team': 'admin' }, 'admin'],
    ['https://tasks.example/roles', { developers: 'write', '*': 'read' }, 'write'],
    ['client_id', { reporter: 'read' }, 'read'],
    ['missing', { '*': 'read' }, 'read'],
  ])('with the claim %s and %j gets %s', async ([claim, scopes, scope]) => {
    expect(await verifierFor({ claim, scopes }).verify(await issuer.token('tasks:read'))).toMatchObject({
      scope,
    })
  })

  test.for<[claim: string, scopes: Record<string, Scope>]>([
    ['scope', { 'tasks:write': 'write' }],
    ['scope', { 'tasks:rea': 'admin', tasks: 'admin', '': 'admin' }],
    ['realm_access.roles', { team: 'admin', platform: 'admin' }],
    ['realm_access', { developers: 'admin' }],
    ['roles', { developers: 'admin' }],
    ['constructor.name', { Object: 'admin' }],
    ['exp', SCOPES],
  ])('with the claim %s and %j gets no access', async ([claim, scopes]) => {
    const token = await issuer.token('tasks:read')
    expect(await refusal(token, verifierFor({ claim, scopes }))).toEqual(forbidden(claim))
  })

  test('with the name of an inherited property as its value gets no access', async () => {
    for (const scope of ['constructor', '__proto__', 'toString'])
      expect(await refusal(await tokenWith({ scope }))).toEqual(forbidden('scope'))
  })
})

describe('refuses a token', () => {
  test.for<[what: string, claims: () => Json, message: string]>([
    ['for another audience', () => ({ aud: 'https://other.example' }), `not for the audience ${AUDIENCE}`],
    ['for several others', () => ({ aud: ['a', `${AUDIENCE}/`] }), `not for the audience ${AUDIENCE}`],
    ['without an audience', () => ({ aud: undefined }), `not for the audience ${AUDIENCE}`],
    ['from another issuer', () => ({ iss: 'https://other.example' }), 'not from the issuer'],
    ['with a slash after the issuer', () => ({ iss: `${issuer.url}/` }), 'not from the issuer'],
    ['without an issuer', () => ({ iss: undefined }), 'not from the issuer'],
  ])('%s', async ([, claims, message]) => {
    const expected = message === 'not from the issuer' ? `${message} ${issuer.url}` : message
    expect(await refusal(await tokenWith(claims()))).toEqual(unauthorized(`the token is ${expected}`))
  })

  test.for<[what: string, claims: () => Json, message: string]>([
    ['that has expired', () => ({ exp: seconds() - 10 }), 'the token has expired'],
    ['that is not valid yet', () => ({ nbf: seconds() + 30 }), 'the token is not valid yet'],
    ['without an expiry time', () => ({ exp: undefined }), 'the token has no valid expiry time (exp)'],
    ['without a subject', () => ({ sub: undefined }), 'the token has no valid subject (sub)'],
    ['with an empty subject', () => ({ sub: '' }), 'the token has no valid subject (sub)'],
    ['with a line break in its subject', () => ({ sub: 'a\nb' }), 'the token has no valid subject (sub)'],
    ['with a long subject', () => ({ sub: 'a'.repeat(256) }), 'the token has no valid subject (sub)'],
  ])('%s', async ([, claims, message]) => {
    expect(await refusal(await tokenWith(claims()))).toEqual(unauthorized(message))
  })

  test('with a time that is not a number', async () => {
    for (const [claim, name] of [
      ['exp', 'expiry time (exp)'],
      ['nbf', 'nbf'],
      ['iat', 'iat'],
    ] as const) {
      const token = compact({ ...claimsNow(), [claim]: 'tomorrow' }, { alg: 'RS256', kid: key.kid })
      expect(await refusal(token)).toEqual(unauthorized(`the token has no valid ${name}`))
    }
  })

  test('of a type that is meant for another purpose', async () => {
    for (const typ of ['logout+jwt', 'dpop+jwt', 'xjwt'])
      expect(await refusal(await tokenWith({}, { typ }))).toEqual(
        unauthorized('the token is not an access token'),
      )
  })

  test('without a signature (alg none)', async () => {
    for (const alg of ['none', 'None', 'NONE', '']) {
      const { code } = await refusal(`${encode({ alg, kid: key.kid })}.${encode(claimsNow())}.`)
      expect(code).toBe('unauthorized')
    }
    expect(await refusal(`${encode({ alg: 'none' })}.${encode(claimsNow())}.`)).toEqual(WRONG_ALGORITHM)
  })

  test('signed with HS256 and the public key as the secret', async () => {
    const pem = createPublicKey({ key: key.jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' })
    const token = await new SignJWT(claimsNow())
      .setProtectedHeader({ alg: 'HS256', kid: key.kid })
      .sign(Buffer.from(pem))
    expect(await refusal(token)).toEqual(WRONG_ALGORITHM)
  })

  test("signed with the issuer's own ES256 or PS256 key, when RS256 is set", async () => {
    expect(await refusal(await tokenWith({}, {}, elliptic))).toEqual(WRONG_ALGORITHM)
    const rsa = { ...key, jwk: { ...key.jwk, alg: 'PS256' } }
    expect(await refusal(await tokenWith({}, { alg: 'PS256' }, rsa))).toEqual(WRONG_ALGORITHM)
  })

  test("signed with a foreign key, whether under its own or under the issuer's kid", async () => {
    expect(await refusal(await tokenWith({}, {}, other))).toEqual(UNKNOWN_KEY)
    expect(await refusal(await tokenWith({}, { kid: key.kid }, other))).toEqual(WRONG_SIGNATURE)
    expect(await refusal(await tokenWith({}, { kid: undefined }, other))).toEqual(WRONG_SIGNATURE)
  })

  test('whose claims or header were changed after signing', async () => {
    const [header, , signature] = (await tokenWith()).split('.')
    expect(await refusal(`${header}.${encode({ ...claimsNow(), sub: 'eve' })}.${signature}`)).toEqual(
      WRONG_SIGNATURE,
    )
    const changed = encode({ alg: 'RS256', kid: key.kid, x: 1 })
    expect(await refusal(`${changed}.${encode(claimsNow())}.${signature}`)).toEqual(WRONG_SIGNATURE)
  })

  test('that brings its own key or says where to fetch one', async () => {
    await using attacker = await startIssuer([other])
    const { n, e, kty } = other.jwk
    const url = `${attacker.url}/jwks`
    const verifier = verifierFor()
    for (const header of [{ jku: url }, { x5u: url }, { jwk: { n, e, kty } }, { x5c: [n] }]) {
      const forged = await tokenWith({}, { ...header, kid: key.kid }, other)
      expect(await refusal(forged, verifier)).toEqual(WRONG_SIGNATURE)
      const signed = await tokenWith({}, header)
      expect(await verifier.verify(signed)).toMatchObject({ scope: 'read' })
    }
    expect(attacker.paths).toEqual([])
  })

  test('with a kid that looks like a path, a URL, a statement or a property', async () => {
    const verifier = verifierFor()
    const kids = [
      '../../dev/null',
      'file:///dev/null',
      "1' or '1'='1",
      '__proto__',
      'constructor',
      '0',
      '',
      '1\0',
    ]
    for (const kid of kids) expect(await refusal(await tokenWith({}, { kid }), verifier)).toEqual(UNKNOWN_KEY)
  })

  test('with a critical extension', async () => {
    const token = compact(claimsNow(), { alg: 'RS256', kid: key.kid, crit: ['admin'], admin: true })
    expect(await refusal(token)).toEqual(NOT_A_JWT)
    const unencoded = compact(claimsNow(), { alg: 'RS256', kid: key.kid, crit: ['b64'], b64: false })
    expect((await refusal(unencoded)).code).toBe('unauthorized')
  })

  test('that is too long, without looking at it', async () => {
    const tooLong = unauthorized('the token is longer than 8192 characters')
    expect(await refusal(await tokenWith({ extra: 'a'.repeat(8192) }))).toEqual(tooLong)
    expect(await refusal('a'.repeat(10_000_000))).toEqual(tooLong)
    expect(await verifierFor().verify(await tokenWith({ extra: 'a'.repeat(4000) }))).toMatchObject({
      scope: 'read',
    })
  })

  test.for([
    '',
    '.',
    '..',
    '...',
    'a',
    'a.b.c',
    'é.é.é',
    'e30.e30.',
    'e30.e30.AAAA',
    'bnVsbA.e30.',
    'W10.W10.W10',
  ])('that is not a JWT: %j', async (token) => {
    expect(await refusal(token)).toEqual(NOT_A_JWT)
  })

  test('whose claims are not an object', async () => {
    for (const claims of [null, [], 'a', 1])
      expect(await refusal(compact(claims, { alg: 'RS256', kid: key.kid }))).toEqual(NOT_A_JWT)
  })

  test('made from random text or headers, and throws no other kind of error', async () => {
    const verifier = verifierFor()
    const header = fc.record(
      {
        alg: fc.oneof(fc.constant('RS256'), fc.json()),
        kid: fc.oneof(fc.constant('1'), fc.json()),
        crit: fc.json(),
      },
      { requiredKeys: ['alg'] },
    )
    const part = fc.oneof(fc.string(), fc.base64String(), fc.json().map(encodeText), header.map(encode))
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 5 }), async (parts) => {
        expect((await refusal(parts.join('.'), verifier)).code).toBe('unauthorized')
      }),
      { numRuns: 500 },
    )
  })
})

describe('accepts a token', () => {
  test('a few seconds after it has expired or before it becomes valid, since clocks differ', async () => {
    for (const claims of [{ exp: seconds() - 2 }, { nbf: seconds() + 3 }])
      expect(await verifierFor().verify(await tokenWith(claims))).toMatchObject({ scope: 'read' })
  })

  test('for several audiences', async () => {
    const token = await tokenWith({ aud: ['account', AUDIENCE] })
    expect(await verifierFor().verify(token)).toMatchObject({ scope: 'read' })
  })

  test('with each common type', async () => {
    for (const typ of ['JWT', 'at+jwt', 'application/at+jwt', 'AT+JWT'])
      expect(await verifierFor().verify(await tokenWith({}, { typ }))).toMatchObject({ scope: 'read' })
  })

  test.for<[claims: Json, name: string]>([
    [{ preferred_username: 'Ann', email: 'ann@example.org' }, 'Ann'],
    [{ email: 'ann@example.org' }, 'ann@example.org'],
    [{ preferred_username: ' \u202e\u200b\n ', email: ['x'] }, 'ann'],
    [{ preferred_username: 'A\u202en\u0000n' }, 'Ann'],
    [{ preferred_username: 'n'.repeat(1000) }, 'n'.repeat(200)],
  ])('with %j, whose name is %s', async ([claims, name]) => {
    const id = `oidc:${new URL(issuer.url).host}:ann`
    expect(await verifierFor().verify(await tokenWith(claims))).toEqual({ id, name, scope: 'read' })
  })
})

describe('when the issuer changes its keys', () => {
  test('finds a new key, and refuses the old one once it is gone', async () => {
    const [first, second] = await Promise.all([signingKey('first'), signingKey('second')])
    await using own = await startIssuer([first])
    const { now, skip } = clock()
    const verifier = verifierFor({ at: own, now })
    const old = await own.token('tasks:read')
    expect(await verifier.verify(old)).toMatchObject({ scope: 'read' })

    own.provide([second, first])
    const fresh = await own.token('tasks:write')
    skip(10)
    expect(await verifier.verify(fresh)).toMatchObject({ scope: 'write' })
    expect(await verifier.verify(old)).toMatchObject({ scope: 'read' })

    own.provide([second])
    skip(600)
    expect(await refusal(old, verifier)).toEqual(UNKNOWN_KEY)
    expect(await verifier.verify(fresh)).toMatchObject({ scope: 'write' })
  })

  test('looks up unknown keys at most once every ten seconds, however many tokens there are', async () => {
    await using own = await startIssuer([key])
    const { now, skip } = clock()
    const verifier = verifierFor({ at: own, now })
    const token = await tokenWith({ iss: own.url }, {}, other)
    const refuseMany = () =>
      Promise.all(
        Array.from({ length: 50 }, async () => expect(await refusal(token, verifier)).toEqual(UNKNOWN_KEY)),
      )
    await refuseMany()
    expect(own.paths).toEqual([DISCOVERY, '/jwks'])
    skip(10)
    await refuseMany()
    await refuseMany()
    expect(own.paths).toEqual([DISCOVERY, '/jwks', DISCOVERY, '/jwks'])
  })

  test('requires a kid if several keys fit', async () => {
    await using own = await startIssuer([key, other])
    const token = await tokenWith({ iss: own.url }, { kid: undefined })
    expect(await refusal(token, verifierFor({ at: own }))).toEqual(
      unauthorized('the token does not say which key it is signed with (kid)'),
    )
  })
})

describe('when the issuer is unreachable', () => {
  test('at first, tries again after five seconds', async () => {
    await using own = await startIssuer([key])
    const { now, skip } = clock()
    const verifier = verifierFor({ at: own, now })
    const token = await own.token('tasks:read')
    await own.stop()
    expect(await refusal(token, verifier)).toEqual(UNAVAILABLE)
    await own.restart()
    expect(await refusal(token, verifier)).toEqual(UNAVAILABLE)
    skip(5)
    expect(await verifier.verify(token)).toMatchObject({ scope: 'read' })
  })

  test('later, keeps using the cached keys for a day', async () => {
    await using own = await startIssuer([key])
    const { now, skip } = clock()
    const verifier = verifierFor({ at: own, now })
    const token = await own.token('tasks:read')
    const unknown = await tokenWith({ iss: own.url }, {}, other)
    expect(await verifier.verify(token)).toMatchObject({ scope: 'read' })
    await own.stop()
    for (const hours of [1, 1, 20]) {
      skip(hours * 3600)
      expect(await verifier.verify(token)).toMatchObject({ scope: 'read' })
      expect(await refusal(unknown, verifier)).toEqual(UNAVAILABLE)
    }
    skip(2 * 3600)
    expect(await refusal(token, verifier)).toEqual(UNAVAILABLE)
    await own.restart()
    skip(5)
    expect(await verifier.verify(token)).toMatchObject({ scope: 'read' })
    expect(await refusal(unknown, verifier)).toEqual(UNKNOWN_KEY)
  })

  test('fetches once for many tokens, and not at all for tokens that are wrong anyway', async () => {
    await using own = await startIssuer([key])
    const verifier = verifierFor({ at: own })
    const wrong = ['a.b.c', `${encode({ alg: 'none' })}.${encode({})}.`, 'a'.repeat(9000)]
    for (const token of wrong) await refusal(token, verifier)
    expect(own.paths).toEqual([])
    const token = await tokenWith({ iss: own.url })
    await Promise.all(Array.from({ length: 50 }, () => verifier.verify(token)))
    expect(own.paths).toEqual([DISCOVERY, '/jwks'])
  })

  test('gives up if the issuer never answers or never finishes its answer', async () => {
    await using silent = await startIssuer([key])
    await using endless = await startIssuer([key])
    await using slowKeys = await startIssuer([key])
    const begin = (response: ServerResponse) => response.writeHead(200).write('{')
    silent.answer(() => {})
    endless.answer((_, response) => begin(response))
    slowKeys.answer((request, response) =>
      request.url === DISCOVERY ? serving(slowKeys.url, {})(request, response) : begin(response),
    )
    const token = await tokenWith()
    const all = [silent, endless, slowKeys].map((at) => refusal(token, verifierFor({ at })))
    expect(await Promise.all(all)).toEqual([UNAVAILABLE, UNAVAILABLE, UNAVAILABLE])
  })

  test('makes only the first request wait if the issuer no longer answers', async () => {
    await using own = await startIssuer([key])
    const { now, skip } = clock()
    const verifier = verifierFor({ at: own, now })
    const token = await own.token('tasks:read')
    await verifier.verify(token)
    skip(600)
    let release = () => {}
    const asked = new Promise<void>((resolve) => {
      own.answer((_, response) => {
        release = () => response.destroy()
        resolve()
      })
    })
    let isWaiting = true
    const first = verifier.verify(token).finally(() => {
      isWaiting = false
    })
    await asked
    expect(await verifier.verify(token)).toMatchObject({ scope: 'read' })
    expect(isWaiting).toBe(true)
    release()
    expect(await first).toMatchObject({ scope: 'read' })
  })
})

describe('does not trust an issuer', () => {
  const padding = ' '.repeat(300_000)

  test.for<[what: string, listener: (url: string) => RequestListener]>([
    ['that responds with text', () => (_, response) => response.end('<html>')],
    ['that responds with a status other than 200', (url) => serving(url, {}, { status: 203 })],
    ['that redirects', (url) => serving(url, {}, { status: 302, location: `${url}/moved` })],
    ['whose document has no keys', (url) => serving(url, { jwks_uri: undefined })],
    ['whose document is for another issuer', (url) => serving(url, { issuer: `${url}/` })],
    ['whose keys need no TLS', (url) => serving(url, { jwks_uri: url.replace('127.0.0.1', '0.0.0.0') })],
    ['whose keys are not a key set', (url) => serving(url, { keys: [1] })],
    ['whose document is huge', (url) => serving(url, { padding })],
    ['whose keys are huge', (url) => serving(url, { keys: [{ padding }] })],
  ])('%s', async ([, listener]) => {
    await using own = await startIssuer([key])
    const verifier = verifierFor({ at: own })
    const token = await tokenWith({ iss: own.url }, {}, other)
    own.answer(listener(own.url))
    expect(await refusal(token, verifier)).toEqual(UNAVAILABLE)
  })

  test('whose key is too short, private or damaged', async () => {
    await using own = await startIssuer([key])
    const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' })
    const token = await tokenWith({ iss: own.url })
    for (const jwk of [short, key.jwk, { kty: 'RSA' }]) {
      own.answer(serving(own.url, { keys: [{ ...jwk, kid: key.kid }] }))
      expect(await refusal(token, verifierFor({ at: own }))).toEqual({
        code: 'unavailable',
        message: "the OpenID Connect issuer's key for this token can't be used",
      })
    }
  })

  test('that publishes a shared secret', async () => {
    await using own = await startIssuer([key])
    const secret = { kty: 'oct', k: encodeText('secret'), kid: key.kid }
    own.answer(serving(own.url, { keys: [secret] }))
    const verifier = verifierFor({ at: own })
    expect(await refusal(await tokenWith({ iss: own.url }), verifier)).toEqual(UNKNOWN_KEY)
    const symmetric = await new SignJWT({ ...claimsNow(), iss: own.url })
      .setProtectedHeader({ alg: 'HS256', kid: key.kid })
      .sign(Buffer.from('secret'))
    expect(await refusal(symmetric, verifier)).toEqual(WRONG_ALGORITHM)
  })
})

describe('the examples in docs/access.md', async () => {
  const page = await readFile(new URL('../../docs/access.md', import.meta.url), 'utf8')
  const examples = [
    ...page.matchAll(
      /```sh\n(OIDC_[\s\S]*?)```\s+```json\n([\s\S]*?)```\s+This token belongs to `(.*?)`,\s+with\s+the\s+scope\s+`(.*?)`/g,
    ),
  ]

  test('are found', () => expect(examples).toHaveLength(2))

  test.for(examples)('example %# is true', async ([, env = '', claims = '', name, scope]) => {
    const { oidc } = readConfig(parseEnv(env))
    const payload: Json = JSON.parse(claims)
    expect(payload.iss).toBe(oidc?.issuer)
    if (!oidc) throw new Error('the example has no issuer')
    const verifier = new OidcVerifier({ ...oidc, issuer: issuer.url })
    const token = await tokenWith({ ...payload, iss: issuer.url }, { typ: 'JWT' })
    expect(await verifier.verify(token)).toMatchObject({ name, scope })
  })
})

const encodeText = (text: string): string => base64url.encode(text)
const encode = (value: unknown): string => encodeText(JSON.stringify(value))

const claimsNow = (): Json => ({
  iss: issuer.url,
  aud: AUDIENCE,
  sub: 'ann',
  exp: seconds() + 60,
  scope: 'tasks:read',
})

/** Signs what `SignJWT` refuses to sign, with the issuer's key and RS256. */
function compact(claims: unknown, header: object): string {
  const input = `${encode(header)}.${encode(claims)}`
  const signature = signBytes('sha256', Buffer.from(input), { key: key.jwk, format: 'jwk' })
  return `${input}.${base64url.encode(signature)}`
}

/**
 * Serves one document for every path: a discovery document that is also a key set. The given status and location are
 * used only for the discovery document's own path.
 */
const serving =
  (url: string, more: object, { status = 200, location = '' } = {}): RequestListener =>
  (request, response) => {
    if (request.url === DISCOVERY) response.writeHead(status, location ? { location } : {})
    response.end(JSON.stringify({ issuer: url, jwks_uri: `${url}/jwks`, keys: [], ...more }))
  }
