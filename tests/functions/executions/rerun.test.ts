import { beforeEach, expect, test } from 'vitest'
import { handler } from '../../../functions/executions/rerun.ts'
import { db } from '../../../shared/db.ts'
import { anExecution, aQueued, aRun, invalidParameter, json, problem } from '../../setup/expected.ts'
import { shownHistory } from '../../setup/history.ts'
import { call } from '../../setup/http-event.ts'
import { emptyTables, insertExecution, insertOpen, insertTask } from '../../setup/rows.ts'
import {
  expireLeases,
  runHere,
  runNothingHere,
  startAll,
  tickAndRun,
  tickOnly,
} from '../../setup/scheduler.ts'

const rerun = (id = '1') =>
  call(handler, { method: 'POST', path: '/executions/{id}/rerun', pathParameters: { id } })

const at = '2020-03-10T00:00:00.000Z'
const later = { params: { duration: 0 }, next_run_at: '2999-01-01T00:00:00Z' }
const old = anExecution({ scheduled_for: at, due_at: at, started_at: at, finished_at: at })
const again = { id: 2, trigger: 'rerun', rerun_of: 1 }

beforeEach(async () => {
  await emptyTables()
  runNothingHere()
})

test('runs the task again immediately and records the original execution', async () => {
  await insertTask(later)
  await insertExecution(at)
  const here = runHere()
  expect(await rerun()).toEqual(json(201, aQueued(again)))
  await here.ended()
  expect(await shownHistory()).toEqual([old, aRun({ ...again, result: { slept_seconds: 0 } })])
})

test.for(['failed', 'timeout', 'lost', 'cancelled'])('reruns an execution with status %s', async (status) => {
  await insertTask(later)
  await insertExecution(at, { status })
  expect(await rerun()).toEqual(json(201, aQueued(again)))
})

test('reruns an execution of a paused task', async () => {
  await insertTask({ ...later, paused_at: at })
  await insertExecution(at)
  await rerun()
  await tickAndRun()
  expect(await shownHistory()).toEqual([old, aRun({ ...again, result: { slept_seconds: 0 } })])
})

test('retries of a rerun still record the original execution, whether an attempt failed or was lost', async () => {
  const refused = { type: 'http', params: { url: 'http://127.0.0.1:1/' } }
  await insertTask({ ...later, ...refused, max_attempts: 2, retry_backoff_seconds: 0 })
  await insertExecution(at)
  const here = runHere()
  await rerun()
  await here.ended()
  const second = { attempt: 2, trigger: 'rerun', rerun_of: 1 }
  const queued = await db()`select attempt, trigger, rerun_of from all_executions where status = 'queued'`
  expect(queued).toEqual([second])
  const { claims } = await tickOnly()
  for (const claim of claims) await startAll(claim)
  await expireLeases()
  await tickAndRun()
  expect(
    await db()`select status, attempt, trigger, rerun_of from all_executions where attempt > 1 order by id`,
  ).toEqual([
    { status: 'lost', ...second },
    { status: 'failed', ...second, attempt: 3 },
  ])
})

test.for(['queued', 'running'] as const)(
  'rejects a rerun while another execution of the task is %s',
  async (status) => {
    await insertTask(later)
    await insertOpen(status)
    expect(await rerun()).toEqual(problem('conflict', 'task 1 has an open execution'))
    expect(await shownHistory()).toHaveLength(1)
  },
)

test.for(['1', '9007199254740991'])('returns 404 for the unknown execution %s', async (id) => {
  expect(await rerun(id)).toEqual(problem('not_found', `execution ${id} does not exist`))
})

test('rejects a malformed id', async () => {
  expect(await rerun('x')).toEqual(invalidParameter('id', 'must be a whole number'))
})
