import { expect, test } from 'vitest'
import { startDraining } from '../../../functions/program.ts'
import { handler } from '../../../functions/system/ready.ts'
import { db } from '../../../shared/db.ts'
import { NEWEST_MIGRATION } from '../../../shared/readiness.ts'
import { json, problem } from '../../setup/expected.ts'
import { call, callOffline } from '../../setup/http-event.ts'
import { statementsWaiting } from '../../setup/rows.ts'

const request = { method: 'GET', path: '/readyz' }

test('reports that it is ready without requiring an API key', async () => {
  const keyless = { ...request, headers: { 'x-api-key': undefined } }
  expect(await call(handler, keyless)).toEqual(json(200, { status: 'ready', scheduler: null }))
  expect(await callOffline(handler, keyless)).toEqual(json(200, { status: 'ready', scheduler: null }))
})

test('is not ready if the newest migration has not been applied to the database', async () => {
  const missing = problem('unavailable', `migration ${NEWEST_MIGRATION} has not been applied`, {
    reason: 'migrations',
  })
  await db()`update schema_migrations set name = 'another.sql' where name = ${NEWEST_MIGRATION}`
  expect(await call(handler, request)).toEqual(missing)
  await db()`alter table schema_migrations rename to elsewhere`
  expect(await call(handler, request)).toEqual(missing)
  await db()`alter table elsewhere rename to schema_migrations`
  await db()`update schema_migrations set name = ${NEWEST_MIGRATION} where name = 'another.sql'`
  expect(await call(handler, request)).toEqual(json(200, { status: 'ready', scheduler: null }))
})

test('waits at most a second for the database', async () => {
  await db().begin(async (tx) => {
    await tx`lock table schema_migrations`
    const asked = call(handler, request)
    await statementsWaiting(1)
    expect(await asked).toEqual(
      problem('unavailable', 'the database did not respond within a second', { reason: 'database' }),
    )
  })
})

// This test comes last, because a process that is shutting down never becomes ready again.
test('is not ready once the process is shutting down', async () => {
  startDraining()
  expect(await call(handler, request)).toEqual(
    problem('unavailable', 'this process is shutting down', { reason: 'draining' }),
  )
})
