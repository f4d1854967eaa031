import { expect, test } from 'vitest'
import { call } from '../setup/http-event.ts'

delete process.env.API_KEY
const { guarded } = await import('../setup/routes.ts')

// The /keys routes are left out: once a key exists, callers need one.
const routes = guarded.filter(({ request }) => !request.path.startsWith('/keys'))

test.for(routes)(
  '$request.method $request.path accepts any caller when no API key is configured',
  async ({ handler, request }) => {
    const host = 'localhost:8000'
    const without = await call(handler, { ...request, headers: { host } })
    const withOne = await call(handler, { ...request, headers: { host, 'x-api-key': 'anything' } })
    expect([200, 201, 404]).toContain(without.statusCode)
    expect([200, 201, 404, 409]).toContain(withOne.statusCode)
  },
)
