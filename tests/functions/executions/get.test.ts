import { beforeEach, expect, test } from 'vitest'

process.env.LOG_URL_TEMPLATE = 'https://logs.example.org/?id={execution_id}&task={task_name}&from={from}'
const { anExecution, invalidParameter, json, problem } = await import('../../setup/expected.ts')
const { call, callOffline } = await import('../../setup/http-event.ts')
const { emptyTables, insertExecution, insertTask } = await import('../../setup/rows.ts')
const { handler } = await import('../../../functions/executions/get.ts')

const get = (id: string) => call(handler, { method: 'GET', path: '/executions/{id}', pathParameters: { id } })

/** Filled templates. Values are encoded for a URL. */
const linked = {
  log_url: expect.stringMatching(
    /^https:\/\/logs\.example\.org\/\?id=\d&task=a&from=2027-03-10T00%3A00%3A00\.000Z$/,
  ),
  trace_url: null,
}

beforeEach(emptyTables)

test('returns an execution', async () => {
  await insertTask()
  await insertExecution('2027-03-10T00:00:00Z')
  const cancelled = { trigger: 'rerun', rerun_of: 1, cancel_requested_at: '2027-03-10T00:00:00.500Z' }
  await insertExecution('2027-03-10T00:00:00Z', cancelled)
  expect(await get('1')).toEqual(json(200, anExecution(linked)))
  expect(await get('2')).toEqual(json(200, anExecution({ id: 2, ...cancelled, ...linked })))
})

test('handles an event that uses null for missing values', async () => {
  await insertTask()
  await insertExecution('2027-03-10T00:00:00Z')
  const request = { method: 'GET', path: '/executions/{id}', pathParameters: { id: '1' } }
  expect(await callOffline(handler, request)).toEqual(json(200, anExecution(linked)))
})

test.for(['1', '2147483648', '9007199254740991'])('returns 404 for the unknown execution %s', async (id) => {
  expect(await get(id)).toEqual(problem('not_found', `execution ${id} does not exist`))
})

test.for(['x', '', '1e3'])('rejects the id %j', async (id) => {
  expect(await get(id)).toEqual(invalidParameter('id', 'must be a whole number'))
})
