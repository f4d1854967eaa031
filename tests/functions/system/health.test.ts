import { expect, test } from 'vitest'
import { handler } from '../../../functions/system/health.ts'
import { json } from '../../setup/expected.ts'
import { call, callOffline } from '../../setup/http-event.ts'

const request = { method: 'GET', path: '/healthz' }

test('reports that the process is alive', async () => {
  expect(await call(handler, request)).toEqual(json(200, { status: 'ok' }))
  expect(await callOffline(handler, request)).toEqual(json(200, { status: 'ok' }))
})
