import { beforeEach, expect, test } from 'vitest'
import { handler } from '../../../functions/tasks/delete.ts'
import { db } from '../../../shared/db.ts'
import { invalidParameter, json, problem } from '../../setup/expected.ts'
import { call } from '../../setup/http-event.ts'
import { emptyTables, insertExecution, insertTask, statementsWaiting } from '../../setup/rows.ts'

const remove = (id: string) =>
  call(handler, { method: 'DELETE', path: '/tasks/{id}', pathParameters: { id } })

beforeEach(emptyTables)

test('deletes only the given task and its executions', async () => {
  await insertTask({ name: 'a' })
  await insertTask({ name: 'b' })
  await insertExecution('2027-03-10T00:00:00Z', { task_id: 1 })
  await insertExecution('2027-03-10T00:00:00Z', { task_id: 2 })
  expect(await remove('1')).toEqual(json(200, { deleted: true }))
  expect(await db()`select name from whole_tasks`).toEqual([{ name: 'b' }])
  expect(await db()`select task_id from all_executions`).toEqual([{ task_id: 2 }])
})

test('only one of ten concurrent requests deletes the task, and the others return 404', async () => {
  await insertTask()
  const responses = await Promise.all(Array.from({ length: 10 }, () => remove('1')))
  expect(responses.toSorted((a, b) => Number(a.statusCode) - Number(b.statusCode))).toEqual([
    json(200, { deleted: true }),
    ...Array(9).fill(problem('not_found', 'task 1 does not exist')),
  ])
})

const at = '2027-03-11T00:00:00Z'
const settled = { status: 'success', scheduled_for: at, due_at: at, started_at: at, finished_at: at }

test('also deletes an execution that is being settled at the same time', async () => {
  await insertTask({ type: 'counter' })
  await insertExecution('2027-03-10T00:00:00Z')
  const { removed } = await db().begin(async (settling) => {
    await settling`select from task_state where task_id = 1 for no key update`
    const removed = remove('1')
    await statementsWaiting(1)
    await settling`update tasks set params = '{"count": 1}' where id = 1`
    await settling`insert into executions ${settling({ ...settled, task_id: 1 })}`
    return { removed }
  })
  expect(await removed).toEqual(json(200, { deleted: true }))
  expect(await db()`select from all_executions`).toHaveLength(0)
  expect(await db()`select from whole_tasks`).toHaveLength(0)
})

test.for(['1', '2147483648', '9007199254740991'])('returns 404 for the unknown task %s', async (id) => {
  expect(await remove(id)).toEqual(problem('not_found', `task ${id} does not exist`))
})

test.for(['x', '1 or true', ''])('rejects the id %j', async (id) => {
  expect(await remove(id)).toEqual(invalidParameter('id', 'must be a whole number'))
})
