import { beforeEach, expect, test } from 'vitest'
import { handler as listExecutions } from '../../../functions/executions/list.ts'
import { handler as listHistory } from '../../../functions/tasks/executions.ts'
import { handler as listTasks } from '../../../functions/tasks/list.ts'
import { handler as listUpcoming } from '../../../functions/upcoming/list.ts'
import { db } from '../../../shared/db.ts'
import { walk } from '../../setup/pages.ts'
import { emptyTables, insertTask } from '../../setup/rows.ts'

beforeEach(emptyTables)

/** Lambda sends at most 6 MB. */
const MOST_BYTES = 3_500_000

/** Inserts 400 tasks, half of them paused, whose texts are as long as possible. */
async function insertLongTasks(): Promise<void> {
  const tags = Array.from({ length: 32 }, (_, index) => String(index).padEnd(64, 'x'))
  await db()`
    with t as (
      insert into tasks (name, type, schedule_type, interval_seconds, description, tags)
      select rpad(i::text, 200, '漢'), 'sleep', 'interval', 60, repeat(chr(1), 2000), ${tags}::text[]
      from generate_series(1, 400) i
      returning id, definition
    )
    insert into task_state (task_id, definition, next_run_at, paused_at, pause_reason)
    select id, definition, '2999-01-01Z', case when id % 2 = 0 then now() end, case when id % 2 = 0 then repeat(chr(2), 500) end
    from t`
}

test.for([
  [listTasks, '/tasks', 400],
  [listUpcoming, '/upcoming', 200],
] as const)(
  'a page of tasks with long texts fits into a response, and the pages have all of them',
  async ([handler, path, count]) => {
    await insertLongTasks()
    const pages = (await walk(handler, { method: 'GET', path })) as { id: number }[][]
    const ids = pages.flat().map(({ id }) => id)
    expect([ids.length, new Set(ids).size]).toEqual([count, count])
    for (const page of pages) expect(Buffer.byteLength(JSON.stringify(page))).toBeLessThan(MOST_BYTES)
  },
)

test.for([
  [listExecutions, '/executions'],
  [listHistory, '/tasks/{id}/executions'],
] as const)(
  'a page of executions with long details fits into a response, and the pages have all of them',
  async ([handler, path]) => {
    await insertTask()
    await db()`
    insert into executions (task_id, scheduled_for, due_at, status, started_at, finished_at, detail)
    select 1, at, at, 'failed', at, at, repeat('"', 10000)
    from generate_series(1, 1000) i, lateral (select now() - make_interval(secs => i)) a (at)`
    const pages = (await walk(handler, { method: 'GET', path, pathParameters: { id: '1' } })) as {
      id: number
    }[][]
    const ids = pages.flat().map(({ id }) => id)
    expect([ids.length, new Set(ids).size]).toEqual([1000, 1000])
    for (const page of pages) expect(Buffer.byteLength(JSON.stringify(page))).toBeLessThan(MOST_BYTES)
  },
)
