import { beforeEach, expect, test } from 'vitest'
import { handler } from '../../../functions/executions/get.ts'
import { anExecution, invalidParameter, json, problem } from '../../setup/expected.ts'
import { call, callOffline } from '../../setup/http-event.ts'
import { emptyTables, insertExecution, insertTask } from '../../setup/rows.ts'

const get = (id: string) => call(handler, { method: 'GET', path: '/executions/{id}', pathParameters: { id } })

beforeEach(emptyTables)

test('returns an execution', async () => {
  await insertTask()
  await insertExecution('2027-03-10T00:00:00Z')
  const cancelled = { trigger: 'rerun', rerun_of: 1, cancel_requested_at: '2027-03-10T00:00:00.500Z' }
  await insertExecution('2027-03-10T00:00:00Z', cancelled)
  expect(await get('1')).toEqual(json(200, anExecution()))
  expect(await get('2')).toEqual(json(200, anExecution({ id: 2, ...cancelled })))
})

test('handles an event that uses null for missing values', async () => {
  await insertTask()
  await insertExecution('2027-03-10T00:00:00Z')
  const request = { method: 'GET', path: '/executions/{id}', pathParameters: { id: '1' } }
  expect(await callOffline(handler, request)).toEqual(json(200, anExecution()))
})

test.for(['1', '2147483648', '9007199254740991'])('returns 404 for the unknown execution %s', async (id) => {
  expect(await get(id)).toEqual(problem('not_found', `execution ${id} does not exist`))
})

test.for(['x', '', '1e3'])('rejects the id %j', async (id) => {
  expect(await get(id)).toEqual(invalidParameter('id', 'must be a whole number'))
})
