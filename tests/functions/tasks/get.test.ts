import { beforeEach, expect, test } from 'vitest'
import { handler } from '../../../functions/tasks/get.ts'
import { aTask, etag, invalidParameter, json, problem } from '../../setup/expected.ts'
import { call, callOffline } from '../../setup/http-event.ts'
import { emptyTables, insertExecution, insertOpen, insertTask } from '../../setup/rows.ts'

const get = (id: string) => call(handler, { method: 'GET', path: '/tasks/{id}', pathParameters: { id } })

const got = (given: object = {}) => json(200, aTask(given), etag(1))

const notDigits = 'must be a whole number'

beforeEach(emptyTables)

test('shows a task with timestamps in UTC', async () => {
  await insertTask({ next_run_at: '2027-03-28T01:00:00+02:00', timezone: 'Europe/Berlin' })
  expect(await get('1')).toEqual(got({ next_run_at: '2027-03-27T23:00:00.000Z', timezone: 'Europe/Berlin' }))
})

test('shows a paused task and why it is paused', async () => {
  const paused = { paused_at: '2027-03-10T00:00:00.000Z', pause_reason: 'crashed 3 times' }
  await insertTask(paused)
  expect(await get('1')).toEqual(got(paused))
})

test('shows whether a task is running', async () => {
  await insertTask({ name: 'running' })
  await insertTask({ name: 'queued' })
  await insertTask({ name: 'done' })
  await insertOpen('running', { task_id: 1 })
  await insertOpen('queued', { task_id: 2 })
  await insertExecution('2027-03-10T00:00:00Z', { task_id: 3 })
  expect(await get('1')).toEqual(got({ id: 1, name: 'running', running: true }))
  expect(await get('2')).toEqual(got({ id: 2, name: 'queued', running: false, state: 'late' }))
  expect(await get('3')).toEqual(got({ id: 3, name: 'done', running: false }))
})

test('handles an event that uses null for missing values', async () => {
  await insertTask()
  const request = { method: 'GET', path: '/tasks/{id}', pathParameters: { id: '1' } }
  expect(await callOffline(handler, request)).toEqual(got())
})

test.for(['1', '2147483648', '9007199254740991'])('returns 404 for the unknown task %s', async (id) => {
  expect(await get(id)).toEqual(problem('not_found', `task ${id} does not exist`))
})

test.for([
  ['0', 'must be at least 1'],
  ['9007199254740992', 'must be at most 9007199254740991'],
  ['9'.repeat(400), 'is too large'],
  ['', notDigits],
  ['-1', notDigits],
  ['+1', notDigits],
  ['1.0', notDigits],
  ['1e0', notDigits],
  ['0x1', notDigits],
  [' 1', notDigits],
  ['1\n', notDigits],
  ['١', notDigits],
  ['NaN', notDigits],
  ["1' or '1'='1", notDigits],
  ['1\0', 'contains a NUL character'],
] as const)('rejects the id %j', async ([id, detail]) => {
  await insertTask()
  expect(await get(id)).toEqual(invalidParameter('id', detail))
})
