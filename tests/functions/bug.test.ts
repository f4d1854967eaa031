import { beforeAll, expect, test } from 'vitest'
import { db } from '../../shared/db.ts'
import { problem } from '../setup/expected.ts'
import { call } from '../setup/http-event.ts'
import { guarded } from '../setup/routes.ts'

// Simulates a bug: the database rejects every statement that uses these tables.
beforeAll(async () => {
  await db()`alter table executions rename to executions_gone`
  await db()`alter table task_state rename to task_state_gone`
  await db()`alter table tasks rename to tasks_gone`
  await db()`alter table api_keys rename to api_keys_gone`
})

/** Routes without a table: the preview only asks for the time, and metrics leave out what the database doesn't say. */
const WITHOUT_TABLES = ['/schedules/preview', '/metrics']

test.for(guarded.filter(({ request }) => !WITHOUT_TABLES.includes(request.path)))(
  '$request.method $request.path hides the cause of an internal error and returns the request id',
  async ({ handler, request }) => {
    expect(await call(handler, request)).toEqual(
      problem('internal', 'unexpected error; for details, search the log for this request_id'),
    )
  },
)
