import { expect, test } from 'vitest'
import { call } from '../setup/http-event.ts'

delete process.env.API_KEY
const { guarded } = await import('../setup/routes.ts')

test.for(guarded)(
  '$request.method $request.path accepts any caller when no API key is configured',
  async ({ handler, request }) => {
    const without = await call(handler, request)
    const withOne = await call(handler, { ...request, headers: { 'x-api-key': 'anything' } })
    expect([200, 201, 404]).toContain(without.statusCode)
    expect([200, 201, 404, 409]).toContain(withOne.statusCode)
  },
)
