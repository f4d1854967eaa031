import { beforeEach, expect, test } from 'vitest'
import { handler } from '../../functions/tasks/update.ts'
import { db } from '../../shared/db.ts'
import { aTask, etag, json, problem } from '../setup/expected.ts'
import { call } from '../setup/http-event.ts'
import { emptyTables, insertTask } from '../setup/rows.ts'

const at = '2999-01-01T00:00:00.000Z'
const patch = (tag: string, id = '1') =>
  call(handler, {
    method: 'PATCH',
    path: '/tasks/{id}',
    pathParameters: { id },
    headers: { 'if-match': tag },
    body: { max_attempts: 2 },
  })

beforeEach(async () => {
  await emptyTables()
  await insertTask({ version: 7, next_run_at: at })
})

test.for(['"7"', '*', ' * ', '"6","7"', '"6" , W/"7", "7"', '"a,b", "7"', '"", "7"'])(
  'If-Match: %s allows the change',
  async (tag) => {
    expect(await patch(tag)).toEqual(
      json(200, aTask({ version: 8, max_attempts: 2, next_run_at: at }), etag(8)),
    )
  },
)

test.for(['"6"', '"77"', 'W/"7"', '"x"', '"6", "8"', '"07 "', '""', '"6,7"'])(
  'If-Match: %s prevents the change',
  async (tag) => {
    expect(await patch(tag)).toEqual(problem('precondition_failed', 'the task is at version 7'))
    expect(await db()`select version, max_attempts from whole_tasks`).toEqual([
      { version: 7, max_attempts: 1 },
    ])
  },
)

test.for(['7', '"7', '7"', '"7" "8"', '"7",', ',"7"', '*, "7"', 'w/"7"', "'7'", '', ' '])(
  'rejects the malformed If-Match value %j',
  async (tag) => {
    expect(await patch(tag)).toEqual(
      problem('bad_request', 'If-Match must be a list of entity tags, such as "3"'),
    )
  },
)

test('returns 404 for a task that does not exist, regardless of If-Match', async () => {
  expect(await patch('*', '2')).toEqual(problem('not_found', 'task 2 does not exist'))
})

test('only one of ten concurrent requests with the same If-Match version changes the task', async () => {
  const answers = await Promise.all(Array.from({ length: 10 }, () => patch('"7"')))
  expect(answers.map(({ statusCode }) => statusCode).toSorted()).toEqual([200, ...Array(9).fill(412)])
  expect(await db()`select version from whole_tasks`).toEqual([{ version: 8 }])
})
