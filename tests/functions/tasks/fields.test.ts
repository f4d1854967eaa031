import { beforeEach, expect, test } from 'vitest'
import { handler } from '../../../functions/tasks/update.ts'
import { db } from '../../../shared/db.ts'
import { FIELDS, fieldsAffecting } from '../../../shared/tasks/fields.ts'
import { call } from '../../setup/http-event.ts'
import { emptyTables, insertTask } from '../../setup/rows.ts'

beforeEach(emptyTables)

test('each field has the same default in the database as in FIELDS', async () => {
  await db()`insert into tasks (name, type, schedule_type, interval_seconds) values ('plain', 'sleep', 'interval', 60)`
  const [row] = await db()`select *, to_jsonb(tags) as tags from tasks`
  const declared = Object.fromEntries(Object.entries(FIELDS).map(([name, field]) => [name, field.default]))
  expect(row).toMatchObject({ ...declared, interval_seconds: 60 })
})

const patch = (body: object) =>
  call(handler, {
    method: 'PATCH',
    path: '/tasks/1',
    pathParameters: { id: '1' },
    body: JSON.stringify(body),
  })

const stateOf = async (id: number) => {
  const [row] = await db()`
    select s.definition, s.claim_id, s.status, t.version from task_state s join tasks t on t.id = s.task_id where t.id = ${id}`
  return row
}

test('changing fields that do not affect runs leaves the claim and the definition unchanged', async () => {
  const id = await insertTask()
  await db()`
    update task_state
    set status = 'queued', execution_id = 1, scheduled_for = next_run_at, due_at = next_run_at, attempt = 1, trigger = 'schedule',
      claim_id = gen_random_uuid()
    where task_id = ${id}`
  const before = await stateOf(id)
  const changes = Object.fromEntries(fieldsAffecting('nothing').map((name) => [name, FIELDS[name].example]))
  expect(await patch(changes)).toMatchObject({ statusCode: 200 })
  expect(await stateOf(id)).toEqual({ ...before, version: before?.version + 1 })
  expect(await patch({ max_attempts: 2 })).toMatchObject({ statusCode: 200 })
  expect(await stateOf(id)).toMatchObject({ status: null, version: before?.version + 2 })
})

test('changes every field that does not affect the schedule', async () => {
  await insertTask({ type: 'sleep' })
  const given = Object.fromEntries(
    fieldsAffecting('runs', 'nothing').map((name) => [name, FIELDS[name].example]),
  )
  expect(await patch(given)).toMatchObject({ statusCode: 200, body: given })
})

test('stores a description, clears it with null and limits its length', async () => {
  await insertTask()
  expect(await patch({ description: 'why' })).toMatchObject({ body: { description: 'why' } })
  expect(await patch({ description: null })).toMatchObject({ body: { description: null } })
  expect(await patch({ description: 'x'.repeat(2001) })).toMatchObject({ statusCode: 422 })
})
