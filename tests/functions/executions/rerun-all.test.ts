import { beforeEach, describe, expect, test } from 'vitest'
import { handler } from '../../../functions/executions/rerun-all.ts'
import { BatchSize } from '../../../shared/batch-size.ts'
import { db } from '../../../shared/db.ts'
import { rerunAll, rerunQuery } from '../../../shared/executions/rerun-all.ts'
import { invalidParameter, json, problem } from '../../setup/expected.ts'
import { call, callOffline } from '../../setup/http-event.ts'
import { cursorOf } from '../../setup/pages.ts'
import {
  cancelWaiting,
  emptyTables,
  insertExecution,
  insertOpen,
  insertTask,
  statementsWaiting,
  whileBroken,
  whileLocked,
} from '../../setup/rows.ts'
import { historyOf, runNothingHere, tickAndRun } from '../../setup/scheduler.ts'

const rerun = (query: string) => call(handler, { method: 'POST', path: '/executions/rerun', query })

const done = (given: object) =>
  json(200, { matched: 0, changed: 0, open: 0, remaining: 0, next: null, dry_run: false, ...given })

const later = { params: { duration: 0 }, next_run_at: '2999-01-01T00:00:00Z' }
const failure = { status: 'failed', error_code: 'dns', result: null }

const queued = () =>
  db()`
    select task_id, execution_id as id, trigger, rerun_of from task_state where status = 'queued' order by task_id`

beforeEach(async () => {
  await emptyTables()
  runNothingHere()
})

describe('of three tasks', () => {
  beforeEach(async () => {
    for (const name of ['a', 'b', 'c']) await insertTask({ name, tags: name === 'c' ? ['x'] : [], ...later })
    await insertExecution('2027-03-10T02:00:00Z', failure)
    await insertExecution('2027-03-10T03:00:00Z', failure)
    await insertExecution('2027-03-10T04:00:00Z')
    await insertExecution('2027-03-10T02:30:00Z', { ...failure, task_id: 2 })
    await insertExecution('2027-03-10T02:30:00Z', { ...failure, status: 'timeout', task_id: 3 })
  })

  test('runs each task once, as a rerun of its newest matching execution', async () => {
    expect(await rerun('status=failed,timeout&ids=true')).toEqual(
      done({ matched: 3, changed: 3, ids: [6, 7, 8] }),
    )
    expect(await queued()).toEqual([
      { task_id: 1, id: 6, trigger: 'rerun', rerun_of: 2 },
      { task_id: 2, id: 7, trigger: 'rerun', rerun_of: 4 },
      { task_id: 3, id: 8, trigger: 'rerun', rerun_of: 5 },
    ])
    await tickAndRun()
    expect(await historyOf(2)).toMatchObject([
      { status: 'success', trigger: 'rerun', rerun_of: 4 },
      { id: 4 },
    ])
  })

  test.for<[query: string, rerunOf: number[]]>([
    ['status=failed&finished_from=2027-03-10T02:00:00&finished_to=2027-03-10T03:00:00', [1, 4]],
    ['tag=x', [5]],
    ['task_name_prefix=b', [4]],
    ['task_id=1', [3]],
    ['error_code=dns&task_id=1', [2]],
    ['status=success', [3]],
    ['status=lost', []],
  ])('?%s', async ([query, rerunOf]) => {
    const count = rerunOf.length
    expect(await rerun(`${query}&dry_run=true&ids=true`)).toEqual(
      done({ matched: count, dry_run: true, ids: rerunOf }),
    )
    expect(await queued()).toEqual([])
    expect(await rerun(query)).toEqual(done({ matched: count, changed: count }))
    expect((await queued()).map((row) => row.rerun_of)).toEqual(rerunOf)
  })

  test.for(['queued', 'running'] as const)('leaves a task alone whose execution is %s', async (status) => {
    await insertOpen(status, { task_id: 2 })
    expect(await rerun('status=failed')).toEqual(done({ matched: 2, changed: 1, open: 1 }))
    const [other] = await db()`select trigger, status from task_state where task_id = 2`
    expect(other).toEqual({ trigger: 'schedule', status })
  })

  test('does not start a task twice when calls race', async () => {
    const answers = await Promise.all(Array.from({ length: 5 }, () => rerun('status=failed,timeout')))
    const changed = answers.reduce((sum, { body }) => sum + body.changed, 0)
    const open = answers.reduce((sum, { body }) => sum + body.open, 0)
    expect({ changed, open }).toEqual({ changed: 3, open: 12 })
    expect(await queued()).toHaveLength(3)
  })

  test('continues after the cursor', async () => {
    expect(await rerun(`status=failed,timeout&cursor=${cursorOf(2)}`)).toEqual(
      done({ matched: 1, changed: 1 }),
    )
    expect(await queued()).toMatchObject([{ task_id: 3 }])
  })

  test('says when to try again if the first task after the cursor stays locked', async () => {
    await whileLocked(2, async () => {
      expect(await rerun(`status=failed,timeout&cursor=${cursorOf(1)}`)).toEqual(
        problem(
          'unavailable',
          'no task could be rerun in time: other transactions lock them, or the database is slow',
          { headers: { 'retry-after': '5' } },
        ),
      )
    })
    expect(await queued()).toEqual([])
  })

  const started = { matched: 1, changed: 1, next: cursorOf(1) }
  const inBatchesOfOne = () => {
    const query = rerunQuery.parse({ status: 'failed,timeout' })
    return rerunAll({ sql: db(), batch: new BatchSize(1) }, query)
  }

  test('says what it has started if a later batch fails', async () => {
    await whileBroken(2, async () => {
      expect(await inBatchesOfOne()).toMatchObject({ ...started, remaining: 2 })
      expect((await rerun(`status=failed,timeout&cursor=${started.next}`)).statusCode).toBe(500)
    })
    expect(await queued()).toMatchObject([{ task_id: 1 }])
  })

  test('says what it has started if a later batch fails and the rest cannot be counted', async () => {
    await whileLocked(2, async (tx) => {
      const answer = inBatchesOfOne()
      await statementsWaiting(1)
      await tx`lock table executions in access exclusive mode`
      await cancelWaiting()
      expect(await answer).toMatchObject({ ...started, remaining: 1 })
    })
    expect(await queued()).toMatchObject([{ task_id: 1 }])
  })

  test('works in batches of any size', async () => {
    const query = rerunQuery.parse({ status: 'failed,timeout' })
    expect(await rerunAll({ sql: db(), batch: new BatchSize(1) }, query)).toMatchObject({
      matched: 3,
      changed: 3,
    })
  })
})

test('a call handles at most 10,000 tasks, and the next call the others', async () => {
  await db()`
    with t as (
      insert into tasks (name, type, schedule_type)
      select 'task ' || i, 'sleep', 'once' from generate_series(1, 10001) i
      returning id, definition
    )
    insert into task_state (task_id, definition) select id, definition from t`
  await db()`
    insert into executions (task_id, scheduled_for, due_at, status, started_at, finished_at)
    select id, '2027-03-10', '2027-03-10', 'failed', '2027-03-10', '2027-03-10' from tasks`
  const next = cursorOf(10_000)
  const first = { matched: 10_000, remaining: 1, next }
  const dry = await rerun('status=failed&dry_run=true')
  expect(dry).toEqual(done({ ...first, dry_run: true }))
  expect(await rerun('status=failed')).toEqual(done({ ...first, changed: 10_000 }))
  expect(await rerun(`status=failed&cursor=${next}`)).toEqual(done({ matched: 1, changed: 1 }))
})

test.for(['', 'dry_run=true', 'tag=', 'task_name_prefix=&tag=', 'ids=true'])('rejects ?%s', async (query) => {
  expect(await rerun(query)).toEqual(problem('bad_request', 'pass a filter'))
})

test.for<[query: string, parameter: string, detail: string]>([
  ['status=failed&all=true', 'all', 'is unknown'],
  ['status=failed&limit=1', 'limit', 'is unknown'],
  ['status=failed&cursor=x', 'cursor', 'is not a cursor for this list'],
])('rejects ?%s', async ([query, parameter, detail]) => {
  expect(await rerun(query)).toEqual(invalidParameter(parameter, detail))
})

test('handles an event that uses null for missing values', async () => {
  expect(await callOffline(handler, { method: 'POST', path: '/executions/rerun' })).toEqual(
    problem('bad_request', 'pass a filter'),
  )
})
