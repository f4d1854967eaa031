import { expect, test } from 'vitest'
import { call } from '../setup/http-event.ts'
import { guarded } from '../setup/routes.ts'

const task = '"name":"b","type":"http","schedule_type":"interval","interval_seconds":60'
const BODIES = [
  `{"__proto__":{"polluted":1},${task}}`,
  `{"constructor":{"prototype":{"polluted":1}},${task}}`,
  `{${task},"params":{"headers":{"__proto__":{"polluted":1}}}}`,
  `{${task},"params":{"body":[{"constructor":{"prototype":{"polluted":1}}}]}}`,
  `{${task},"params":{"headers":{"constructor":"polluted"}}}`,
]
const QUERIES = ['__proto__[polluted]=1', '__proto__=polluted', 'constructor.prototype.polluted=1']
// An object literal would set the prototype instead.
const FIELDS = JSON.parse('{"__proto__":"polluted","constructor":"polluted","prototype":"polluted"}')

const PROTOTYPES = [Object, Array, Function, String, Number].map((it): object => it.prototype)

test.for(guarded)('$request.method $request.path never changes the prototype of objects', async (route) => {
  const { handler, request } = route
  const before = PROTOTYPES.map((it) => Reflect.ownKeys(it))
  for (const body of BODIES) await call(handler, { ...request, body })
  for (const query of QUERIES) await call(handler, { ...request, query })
  await call(handler, { ...request, headers: FIELDS })
  await call(handler, { ...request, pathParameters: { ...FIELDS, id: '1', name: 'b' } })
  expect(PROTOTYPES.map((it) => Reflect.ownKeys(it))).toEqual(before)
  expect({}).not.toHaveProperty('polluted')
})
