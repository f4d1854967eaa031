import { describe, expect, test } from 'vitest'
import { unauthorized } from '../setup/expected.ts'
import { call } from '../setup/http-event.ts'
import { guarded, open } from '../setup/routes.ts'

describe.for(guarded)('$request.method $request.path', ({ handler, request }) => {
  test('asks for the key', async () => {
    const response = await call(handler, { ...request, headers: { 'x-api-key': undefined } })
    expect(response).toEqual(unauthorized('missing header: x-api-key'))
  })

  test.for([
    ['another key', 'other-key'],
    ['nothing', ''],
    ['a part of the key', 'test-ke'],
    ['the key and more', 'test-key '],
    ['the key in capitals', 'TEST-KEY'],
    ['100 KB', 'k'.repeat(100_000)],
    ['not ASCII', 'schlüssel🗝'],
  ])('refuses %s', async ([, key]) => {
    const response = await call(handler, { ...request, headers: { 'x-api-key': key } })
    expect(response).toEqual(unauthorized('invalid API key'))
  })

  test('takes the right key', async () => {
    const { statusCode } = await call(handler, request)
    expect([200, 201, 404]).toContain(statusCode)
  })
})

test.for(open)('$request.method $request.path needs no key', async ({ handler, request, status }) => {
  const { statusCode } = await call(handler, { ...request, headers: { 'x-api-key': undefined } })
  expect(statusCode).toBe(status)
})

test('asks for the key before it looks at the input', async () => {
  for (const { handler, request } of guarded) {
    const broken = {
      ...request,
      query: 'limit=x',
      pathParameters: { id: 'x' },
      body: '{',
      headers: { 'x-api-key': 'x' },
    }
    expect(await call(handler, broken)).toEqual(unauthorized('invalid API key'))
  }
})
