import { beforeEach, expect, test } from 'vitest'
import { handler } from '../../../functions/tasks/delete.ts'
import { db } from '../../../shared/db.ts'
import { invalidParameter, json, problem } from '../../setup/expected.ts'
import { call } from '../../setup/http-event.ts'
import { emptyTables, insertExecution, insertTask, statementsWaiting } from '../../setup/rows.ts'

const remove = (id: string) =>
  call(handler, { method: 'DELETE', path: '/tasks/{id}', pathParameters: { id } })

beforeEach(emptyTables)

test('deletes a task and its executions, and no other', async () => {
  await insertTask({ name: 'a' })
  await insertTask({ name: 'b' })
  await insertExecution('2027-03-10T00:00:00Z', { task_id: 1 })
  await insertExecution('2027-03-10T00:00:00Z', { task_id: 2 })
  expect(await remove('1')).toEqual(json(200, { deleted: true }))
  expect(await db()`select name from tasks`).toEqual([{ name: 'b' }])
  expect(await db()`select task_id from executions`).toEqual([{ task_id: 2 }])
})

test('tells one of many that it deleted a task, and the others that there is none', async () => {
  await insertTask()
  const responses = await Promise.all(Array.from({ length: 10 }, () => remove('1')))
  expect(responses.toSorted((a, b) => Number(a.statusCode) - Number(b.statusCode))).toEqual([
    json(200, { deleted: true }),
    ...Array(9).fill(problem('not_found', 'task 1 does not exist')),
  ])
})

test('deletes a task although one of its executions is settled in between', async () => {
  await insertTask({ type: 'counter' })
  await insertExecution('2027-03-10T00:00:00Z')
  const later = await db().reserve()
  const response = await db().begin(async (earlier) => {
    await earlier`select from executions where id = 1 for update`
    const removed = remove('1')
    await statementsWaiting(1)
    await insertExecution('2027-03-11T00:00:00Z')
    await later`begin`
    await later`select from executions where id = 2 for update`
    return { removed }
  })
  await statementsWaiting(1)
  await later`update tasks set params = '{"count": 1}' where id = 1`
  await later`commit`
  later.release()
  expect(await response.removed).toEqual(json(200, { deleted: true }))
  expect(await db()`select from executions`).toHaveLength(0)
})

test.for(['1', '2147483648', '9007199254740991'])('knows no task %s', async (id) => {
  expect(await remove(id)).toEqual(problem('not_found', `task ${id} does not exist`))
})

test.for(['x', '1 or true', ''])('refuses the id %j', async (id) => {
  expect(await remove(id)).toEqual(invalidParameter('id', 'Invalid input: expected number, received string'))
})
