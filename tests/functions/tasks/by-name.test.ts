import { beforeEach, expect, test } from 'vitest'
import { handler as getTask } from '../../../functions/tasks/get-by-name.ts'
import { handler as runTask } from '../../../functions/tasks/run-by-name.ts'
import { aQueued, aTask, etag, invalidParameter, json, problem } from '../../setup/expected.ts'
import { call } from '../../setup/http-event.ts'
import { emptyTables, insertOpen, insertTask } from '../../setup/rows.ts'
import { runNothingHere } from '../../setup/scheduler.ts'

const path = '/tasks/by-name/{name}'
const get = (name: string) => call(getTask, { method: 'GET', path, pathParameters: { name } })
const run = (name: string, body?: object) =>
  call(runTask, { method: 'POST', path: `${path}/run`, pathParameters: { name }, body })

const later = { next_run_at: '2999-01-01T00:00:00.000Z' }

beforeEach(async () => {
  await emptyTables()
  runNothingHere()
  await insertTask({ name: 'other' })
  await insertTask({ name: 'nightly report/1', ...later })
})

test('shows the task with this name', async () => {
  const task = aTask({ id: 2, name: 'nightly report/1', ...later })
  expect(await get('nightly report/1')).toEqual(json(200, task, etag(1)))
})

test('starts a manual run of the task with this name', async () => {
  expect(await run('nightly report/1')).toEqual(
    json(201, aQueued({ task_id: 2, task_name: 'nightly report/1' })),
  )
})

test('refuses a run while one is open, and queues one if that is asked for', async () => {
  await insertOpen('running', { task_id: 2 })
  expect(await run('nightly report/1')).toMatchObject({ statusCode: 409 })
  expect(await run('nightly report/1', { overlap: 'queue' })).toEqual(json(202, { queued: true }))
})

test.for(['nightly', 'Nightly report/1', '2', '%', "' or 1=1"])(
  'returns 404 for the name %j',
  async (name) => {
    const missing = problem('not_found', `task ${JSON.stringify(name)} does not exist`)
    expect(await get(name)).toEqual(missing)
    expect(await run(name)).toEqual(missing)
    expect(await run(name, { overlap: 'queue' })).toEqual(missing)
  },
)

test('rejects a name that no task can have', async () => {
  expect(await get(' a')).toEqual(invalidParameter('name', 'starts or ends with whitespace'))
  expect(await run('x'.repeat(201))).toEqual(invalidParameter('name', 'must have at most 200 characters'))
})
