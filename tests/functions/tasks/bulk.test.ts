import { beforeEach, describe, expect, test } from 'vitest'
import { handler as deleteAll } from '../../../functions/tasks/delete-all.ts'
import { handler as list } from '../../../functions/tasks/list.ts'
import { handler as pauseAll } from '../../../functions/tasks/pause-all.ts'
import { handler as resumeAll } from '../../../functions/tasks/resume-all.ts'
import { BatchSize } from '../../../shared/batch-size.ts'
import { db } from '../../../shared/db.ts'
import { applyToAll, bulkQuery } from '../../../shared/tasks/bulk.ts'
import { eventually } from '../../setup/eventually.ts'
import { invalidFields, invalidParameter, json, problem } from '../../setup/expected.ts'
import { call, callOffline } from '../../setup/http-event.ts'
import { cursorOf } from '../../setup/pages.ts'
import {
  emptyTables,
  insertExecution,
  insertOpen,
  insertTask,
  nowPlus,
  whileBroken,
} from '../../setup/rows.ts'

const calls = {
  pause: { handler: pauseAll, method: 'POST', path: '/tasks/pause' },
  resume: { handler: resumeAll, method: 'POST', path: '/tasks/resume' },
  delete: { handler: deleteAll, method: 'DELETE', path: '/tasks' },
} as const
type Verb = keyof typeof calls
const verbs = Object.keys(calls) as Verb[]

function apply(verb: Verb, query: string, body?: unknown) {
  const { handler, ...request } = calls[verb]
  return call(handler, { ...request, query: `${query}&ids=true`, ...(body !== undefined && { body }) })
}

const FLAG = 'must be one of true, 1, yes, on, y, enabled, false, 0, no, off, n, disabled'

const done = (ids: number[], dry_run = false) =>
  json(200, {
    matched: ids.length,
    changed: dry_run ? 0 : ids.length,
    remaining: 0,
    next: null,
    dry_run,
    ids,
  })
const everything = async () => await db()`select * from whole_tasks order by id`

beforeEach(emptyTables)

describe('filters', () => {
  beforeEach(async () => {
    await insertTask({ name: 'a%_1', tags: ['x', 'y'] })
    await insertTask({ name: 'A', type: 'http', tags: ['xy'] })
    await insertTask({ name: 'a%2', schedule_type: 'once', interval_seconds: null })
    await insertTask({ name: 'paused', paused_at: '2027-03-10T00:00:00Z', next_run_at: null })
    await insertTask({ name: 'early', next_run_at: '2027-03-09T23:59:59.999Z' })
  })

  const picks: [query: string, ids: number[]][] = [
    ['type=http', [2]],
    ['schedule_type=once', [3]],
    ['schedule_type=cron', []],
    ['paused=true', [4]],
    ['paused=false', [1, 2, 3, 5]],
    ['name_prefix=a', [1, 3]],
    ['name_prefix=a%25_', [1]],
    ['state=paused', [4]],
    ['state=failing', []],
    ['state=paused,ended', [4]],
    ['search=%25', [1, 3]],
    ['search=EARL', [5]],
    ['search=_&state=paused', []],
    ['tag=x', [1]],
    ['tag=xy', [2]],
    ['tag=none', []],
    ['due_before=2027-03-10T00:00:00Z', [5]],
    ['due_before=2027-03-10T00:00:00.001Z', [1, 2, 3, 5]],
    ['due_before=2027-03-10T01:00:00%2B01:00&tag=x', []],
    ['tag=y&type=sleep&name_prefix=a&paused=false', [1]],
    ['all=true&tag=x', [1]],
  ]

  test.for(picks.flatMap(([query, ids]) => verbs.map((verb) => [verb, query, ids] as const)))(
    '%s ?%s changes only matching tasks, and its dry run changes nothing',
    async ([verb, query, ids]) => {
      const before = await everything()
      expect(await apply(verb, `${query}&dry_run=true`)).toEqual(done(ids, true))
      expect(await everything()).toEqual(before)
      expect(await apply(verb, query)).toEqual(done(ids))
      const after = await everything()
      const untouched = before.filter(({ id }) => !ids.includes(id))
      expect(after.filter(({ id }) => !ids.includes(id))).toEqual(untouched)
    },
  )

  test.for(picks.filter(([query]) => !query.startsWith('all=')))(
    'the list returns the same tasks for ?%s',
    async ([query, ids]) => {
      const { statusCode, body } = await call(list, { method: 'GET', path: '/tasks', query })
      expect([statusCode, body.map(({ id }: { id: number }) => id)]).toEqual([200, ids])
    },
  )

  test.for(verbs)('%s ?all=true changes every task', async (verb) => {
    expect(await apply(verb, 'all=true')).toEqual(done([1, 2, 3, 4, 5]))
  })
})

test.for(verbs)('%s requires a filter or all=true', async (verb) => {
  await insertTask()
  const before = await everything()
  const unsaid = problem('bad_request', 'pass a filter or all=true')
  for (const query of ['', 'all=false', 'dry_run=true', 'name_prefix=', 'tag=', 'tag=&name_prefix=']) {
    expect(await apply(verb, query)).toEqual(unsaid)
  }
  expect(await apply(verb, 'all=x')).toEqual(invalidParameter('all', FLAG))
  expect(await apply(verb, 'all=true&limit=1')).toEqual(invalidParameter('limit', 'is unknown'))
  expect(await apply(verb, 'due_before=soon')).toEqual(
    invalidParameter('due_before', 'must be an ISO 8601 timestamp, such as 2027-03-28T01:00:00Z'),
  )
  expect(await everything()).toEqual(before)
})

test.for(verbs)(
  '%s handles an empty database and an event that uses null for missing values',
  async (verb) => {
    expect(await apply(verb, 'all=true')).toEqual(done([]))
    const { handler, ...request } = calls[verb]
    expect(await callOffline(handler, { ...request, query: 'all=true&ids=true' })).toEqual(done([]))
  },
)

test('stores why a pause began and when it ends, and cancels queued executions', async () => {
  await insertTask()
  await insertOpen('queued')
  const until = '2999-01-01T00:00:00.000Z'
  expect(await apply('pause', 'tag=x', { until })).toEqual(done([]))
  expect(await apply('pause', 'all=true', { until, reason: 'why' })).toEqual(done([1]))
  expect(await db()`select paused_until, pause_reason, version from whole_tasks`).toEqual([
    { paused_until: new Date(until), pause_reason: 'why', version: 2 },
  ])
  expect(await db()`select status from all_executions`).toEqual([{ status: 'cancelled' }])
  expect(await apply('pause', 'all=true', { until: 1 })).toEqual(
    invalidFields(['#/until', 'must be a string']),
  )
})

test.for([
  ['skip', ['skipped']],
  ['policy', []],
])('resumes a paused task with missed: %s', async ([missed, statuses]) => {
  await insertTask({ paused_at: '2020-01-01T00:00:00Z', next_run_at: await nowPlus(-1) })
  expect(await apply('resume', 'paused=true', { missed })).toEqual(done([1]))
  const rows = await db()<{ status: string }[]>`select status from all_executions`
  expect(rows.map(({ status }) => status)).toEqual(statuses)
  expect(await db()`select paused_at from whole_tasks`).toEqual([{ paused_at: null }])
})

test('deletes tasks and their executions', async () => {
  await insertTask({ tags: ['old'] })
  await insertTask({ name: 'b' })
  await insertExecution('2020-01-01T00:00:00Z', { task_id: 1 })
  await insertExecution('2020-01-01T00:00:00Z', { task_id: 2 })
  expect(await apply('delete', 'tag=old')).toEqual(done([1]))
  expect(await db()`select task_id from all_executions`).toEqual([{ task_id: 2 }])
})

test('handles 1,200 tasks in one request', async () => {
  await db()`
    with t as (
      insert into tasks (name, type, schedule_type, interval_seconds)
      select 'task ' || i, 'sleep', 'interval', 60 from generate_series(1, 1200) i
      returning id, definition
    )
    insert into task_state (task_id, definition, next_run_at) select id, definition, '2999-01-01Z' from t`
  const ids = Array.from({ length: 1200 }, (_, i) => i + 1)
  for (const verb of verbs) expect(await apply(verb, 'name_prefix=task')).toEqual(done(ids))
  expect(await everything()).toEqual([])
})

test.for(verbs)('%s returns task ids only on request', async (verb) => {
  await insertTask()
  const { handler, ...request } = calls[verb]
  const { body } = await call(handler, { ...request, query: 'all=true' })
  expect(body).toEqual({ matched: 1, changed: 1, remaining: 0, next: null, dry_run: false })
})

test.for(verbs)(
  '%s stops after 10,000 tasks and continues at the cursor',
  { timeout: 30_000 },
  async (verb) => {
    await db()`
    with t as (
      insert into tasks (name, type, schedule_type, interval_seconds)
      select 'task ' || i, 'sleep', 'interval', 60 from generate_series(1, 10050) i
      returning id, definition
    )
    insert into task_state (task_id, definition, next_run_at) select id, definition, '2999-01-01Z' from t`
    const first = await apply(verb, 'all=true')
    const { matched, changed, remaining, next, ids } = first.body
    expect([matched, changed, remaining, ids.length]).toEqual([10_000, 10_000, 50, 10_000])
    const second = await apply(verb, `all=true&cursor=${next}`)
    expect(second.body).toMatchObject({ matched: 50, changed: 50, remaining: 0, next: null })
    expect(await apply(verb, 'all=true&cursor=x')).toEqual(
      invalidParameter('cursor', 'is not a cursor for this list'),
    )
  },
)

test('deletes a task with a long history', async () => {
  await insertTask()
  await db()`
    insert into executions (task_id, scheduled_for, due_at, status, started_at, finished_at)
    select 1, at, at, 'success', at, at from generate_series(1, 12000) i,
      lateral (select now() - make_interval(secs => i)) a (at)`
  expect(await apply('delete', 'all=true')).toEqual(done([1]))
  expect(await db()`select from all_executions`).toEqual([])
})

test('concurrent requests that pause and resume all tasks do not deadlock', async () => {
  for (let i = 0; i < 50; i += 1) await insertTask({ name: `task ${i}` })
  const both = [...verbs.slice(0, 2), ...verbs.slice(0, 2)]
  const answers = await Promise.all(both.map((verb) => apply(verb, 'all=true')))
  expect(answers.map(({ statusCode }) => statusCode)).toEqual([200, 200, 200, 200])
})

test.for(verbs)(
  '%s waits for a task that stays locked for longer than one statement may wait',
  async (verb) => {
    for (const name of ['a', 'b', 'c']) await insertTask({ name })
    const locked = Promise.withResolvers<void>()
    const release = Promise.withResolvers<void>()
    const holding = db().begin(async (tx) => {
      await tx`select from task_state where task_id = 2 for update`
      locked.resolve()
      await release.promise
    })
    await locked.promise
    const answer = apply(verb, 'all=true')
    try {
      const first = await eventually(waitingSince)
      await eventually(async () => expect(await waitingSince()).not.toEqual(first))
    } finally {
      release.resolve()
      await holding
    }
    expect(await answer).toEqual(done([1, 2, 3]))
  },
)

const asDone = {
  pause: { verb: 'pause', until: null, reason: null },
  resume: { verb: 'resume', missed: 'skip' },
  delete: { verb: 'delete' },
} as const

test.for(verbs)('%s says what it has changed if a later batch fails', async (verb) => {
  const paused = { paused_at: '2027-03-10T00:00:00Z', next_run_at: null }
  for (const name of ['a', 'b', 'c']) await insertTask({ name, ...paused })
  const query = bulkQuery.parse({ all: 'true', ids: 'true' })
  const next = cursorOf(1)
  await whileBroken(2, async () => {
    expect(await applyToAll({ sql: db(), batch: new BatchSize(1) }, query, asDone[verb])).toMatchObject({
      matched: 1,
      changed: 1,
      ids: [1],
      remaining: 2,
      next,
    })
    expect((await apply(verb, `all=true&cursor=${next}`)).statusCode).toBe(500)
  })
})

/** Returns the start time of the statement that is waiting for a lock. Throws if none is waiting. */
async function waitingSince(): Promise<Date> {
  const [row] = await db()<[{ query_start: Date }?]>`
    select query_start from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
  if (!row) throw new Error('no statement is waiting for a lock')
  return row.query_start
}
