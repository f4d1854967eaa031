import { expect, test, vi } from 'vitest'
import { handler as pauseTasks } from '../../functions/tasks/pause-all.ts'
import { db } from '../../shared/db.ts'
import { eventually } from '../setup/eventually.ts'
import { call } from '../setup/http-event.ts'

// Runs before the imports, which read the settings.
vi.hoisted(() => {
  process.env.MAX_IDEMPOTENCY_KEYS = '15000'
})

const post = (key: string) =>
  call(pauseTasks, {
    method: 'POST',
    path: '/tasks/pause',
    query: 'all=true',
    headers: { 'idempotency-key': key },
  })

async function insertKeys(prefix: string, count: number): Promise<void> {
  await db()`
    insert into idempotency_keys (key, request_hash)
    select ${prefix} || i, 'x' from generate_series(1, ${count}::int) i`
  await db()`analyze idempotency_keys`
}

test('the number of kept keys is estimated if there are more than 10,000', async () => {
  await insertKeys('a', 12_000)
  expect(await post('first')).toMatchObject({ statusCode: 200 })
  await insertKeys('b', 4000)
  // These requests are too few to fill the limit with keys of their own.
  let requests = 0
  await eventually(async () => {
    requests += 1
    expect(await post(`key ${requests}`)).toMatchObject({
      statusCode: 503,
      body: { reason: 'idempotency_keys' },
    })
  })
})
