import { describe, expect, test } from 'vitest'
import { unauthorized } from '../setup/expected.ts'
import { call } from '../setup/http-event.ts'
import { guarded, open } from '../setup/routes.ts'

describe.for(guarded)('$request.method $request.path', ({ handler, request }) => {
  test('requires the API key', async () => {
    const response = await call(handler, { ...request, headers: { 'x-api-key': undefined } })
    expect(response).toEqual(
      unauthorized('missing API key: send it as x-api-key, or as Authorization: Bearer'),
    )
  })

  test.for([
    ['a different key', 'other-key'],
    ['an empty key', ''],
    ['part of the key', 'test-ke'],
    ['the key with a trailing space', 'test-key '],
    ['the key in upper case', 'TEST-KEY'],
    ['a key of 100 KB', 'k'.repeat(100_000)],
    ['a non-ASCII key', 'schlüssel🗝'],
  ])('rejects %s', async ([, key]) => {
    // Each request comes from a different address, since wrong keys are counted per address.
    const sourceIp = `10.0.${guarded.findIndex((it) => it.handler === handler)}.${(key ?? '').length % 256}`
    const response = await call(handler, { ...request, sourceIp, headers: { 'x-api-key': key } })
    expect(response).toEqual(unauthorized('invalid API key'))
  })

  test('accepts the correct key', async () => {
    const { statusCode } = await call(handler, request)
    expect([200, 201, 404]).toContain(statusCode)
  })
})

test.for(open)(
  '$request.method $request.path does not require an API key',
  async ({ handler, request, status }) => {
    const { statusCode } = await call(handler, { ...request, headers: { 'x-api-key': undefined } })
    expect(statusCode).toBe(status)
  },
)

test('checks the API key before it validates the input', async () => {
  for (const [index, { handler, request }] of guarded.entries()) {
    const broken = {
      ...request,
      sourceIp: `10.1.0.${index}`,
      query: 'limit=x',
      pathParameters: { id: 'x' },
      body: '{',
      headers: { 'x-api-key': 'x' },
    }
    expect(await call(handler, broken)).toEqual(unauthorized('invalid API key'))
  }
})
