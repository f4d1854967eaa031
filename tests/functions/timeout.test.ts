import { beforeEach, describe, expect, test } from 'vitest'
import { handler as listTasks } from '../../functions/tasks/list.ts'
import { handler as updateTask } from '../../functions/tasks/update.ts'
import { db } from '../../shared/db.ts'
import { problem } from '../setup/expected.ts'
import { call } from '../setup/http-event.ts'
import { cancelWaiting, emptyTables, insertTask, statementsWaiting, whileLocked } from '../setup/rows.ts'

const update = (remainingMs?: number) =>
  call(updateTask, {
    method: 'PATCH',
    path: '/tasks/{id}',
    pathParameters: { id: '1' },
    body: {},
    ...(remainingMs !== undefined && { remainingMs }),
  })

const unavailable = (detail: string) => problem('unavailable', detail, { headers: { 'retry-after': '5' } })

beforeEach(async () => {
  await emptyTables()
  await insertTask()
})

test('responds before the runtime ends the invocation', async () => {
  await whileLocked(1, async () => {
    expect(await update(600)).toEqual(problem('timeout', 'the request took too long'))
  })
})

describe('does not say that the database cannot be reached', () => {
  const LOCKED = 'another transaction holds a lock for too long'

  test('if a row stays locked', async () => {
    await whileLocked(1, async () => {
      expect(await update()).toEqual(unavailable(LOCKED))
    })
  })

  test('if a session cannot be checked because its table stays locked', async () => {
    const headers = { 'x-api-key': undefined }
    const cookies = [`__Host-tsk_session=${'x'.repeat(43)}`]
    await db().begin(async (tx) => {
      await tx`lock table sessions in access exclusive mode`
      expect(await call(listTasks, { method: 'GET', path: '/tasks', headers, cookies })).toEqual(
        unavailable(`${LOCKED}, so sessions cannot be checked`),
      )
    })
  })

  test('if the server cancels a statement', async () => {
    await whileLocked(1, async () => {
      const answer = update()
      await statementsWaiting(1)
      await cancelWaiting()
      expect(await answer).toEqual(unavailable('the database takes too long'))
    })
  })
})
