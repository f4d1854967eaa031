import { expect, test } from 'vitest'
import type * as z from 'zod'
import { handler as createTask } from '../../functions/tasks/create.ts'
import type { Operation } from '../../shared/http/operation.ts'
import { runnerOf, TASK_TYPES } from '../../shared/runners/index.ts'
import { call, type HttpCall } from '../setup/http-event.ts'
import { guarded } from '../setup/routes.ts'

/** Most of them are wrong for most fields. Together, they cause every kind of issue that Zod reports. */
const VALUES = [
  ...[null, true, 0, -1, 0.5, 1e12, 2 ** 53, '', 'x', 'x'.repeat(9000), '2020-01-01'],
  ...[[], [null], ['x', 'x'], [0.5], Array(1000).fill('x'), {}, { '': 1 }, { 'a b': {} }],
  ...[{ a: 'b\n' }, { a: 'x'.repeat(9000) }],
]
const TEXTS = ['', 'x', '0', '-1', '1.5', '9'.repeat(17), '9'.repeat(400), 'x'.repeat(9000), '\n']

const fieldsOf = (schema: unknown): string[] => Object.keys((schema as z.ZodObject | undefined)?.shape ?? {})

/** Returns requests that differ from a valid one in one place. */
function* spoiled({ path, query, body }: Operation, request: HttpCall): Generator<HttpCall> {
  const valid = typeof request.body === 'object' ? request.body : {}
  for (const value of VALUES) {
    if (body) yield { ...request, body: JSON.stringify(value) }
    for (const field of fieldsOf(body)) yield { ...request, body: { ...valid, [field]: value } }
  }
  for (const text of TEXTS) {
    for (const name of fieldsOf(query)) yield { ...request, query: `${name}=${text}` }
    for (const name of fieldsOf(path)) yield { ...request, pathParameters: { [name]: text } }
  }
  for (const name of fieldsOf(query)) yield { ...request, query: `${name}=x&${name}=y` }
  if (query) yield { ...request, query: 'nope=1' }
}

/** Returns the details of all 422 responses. */
async function detailsOf(handler: Parameters<typeof call>[0], requests: Iterable<HttpCall>) {
  const details = new Set<string>()
  for (const request of requests) {
    const { statusCode, body } = await call(handler, request)
    if (statusCode !== 422) continue
    for (const { detail } of [body, ...body.errors]) details.add(detail)
  }
  return [...details]
}

const isForeign = (detail: string): boolean =>
  /Invalid|Too (big|small)|Unrecognized|: expected|, received|undefined|is not valid/.test(detail)

test.for(guarded)('$request.method $request.path explains mistakes in its own words', async (route) => {
  const { handler, request } = route
  const requests = [...spoiled(handler.operation, request)]
  const details = await detailsOf(handler, requests)
  expect(details.filter(isForeign)).toEqual([])
  expect(details.length > 0).toBe(requests.length > 0)
})

test.for(TASK_TYPES)('mistakes in the params of %s are explained in the same words', async (type) => {
  const task = { name: 'a', type, schedule_type: 'interval', interval_seconds: 60 }
  const requests = fieldsOf(runnerOf(type)?.params).flatMap((field) =>
    VALUES.map((value) => ({
      method: 'POST',
      path: '/tasks',
      body: { ...task, params: { [field]: value } },
    })),
  )
  const details = await detailsOf(createTask, requests)
  expect(details.filter(isForeign)).toEqual([])
  expect(details).not.toEqual([])
})
