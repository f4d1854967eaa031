import { expect, test } from 'vitest'
import { handler as updateTask } from '../../functions/tasks/update.ts'
import { db } from '../../shared/db.ts'
import { problem } from '../setup/expected.ts'
import { call } from '../setup/http-event.ts'
import { insertTask } from '../setup/rows.ts'

test('responds before the runtime ends the invocation', async () => {
  const id = await insertTask()
  await db().begin(async (tx) => {
    await tx`select from task_state where task_id = ${id} for update`
    const request = { method: 'PATCH', path: '/tasks/{id}', pathParameters: { id: `${id}` }, body: {} }
    const response = await call(updateTask, { ...request, remainingMs: 600 })
    expect(response).toEqual(problem('timeout', 'the request took too long'))
  })
})
