import { expect, test } from 'vitest'
import { connect, db } from '../../shared/db.ts'

test('waits no longer before the twentieth reconnect than before the first', () => {
  const { backoff } = connect('postgres://127.0.0.1:1/none', { max: 1 }).options
  const waits = typeof backoff === 'function' ? [backoff(1), backoff(20)] : []
  expect(waits).toEqual([0.2, 0.2])
})

test('arrays reach the database unchanged, whatever they contain', async () => {
  const texts = ['', 'a,b', '"quoted"', 'back\\slash', '{}', 'NULL', null, 'line\nbreak', 'ü']
  const [row] = await db()<[{ texts: unknown; ids: unknown; instants: unknown }]>`
    select to_jsonb(${texts}::text[]) as texts, to_jsonb(${[1, null, 2 ** 53 - 1]}::bigint[]) as ids,
      to_jsonb(${['2027-03-10T00:00:00.123Z', null]}::timestamptz[]) as instants`
  expect(row).toEqual({
    texts,
    ids: [1, null, 2 ** 53 - 1],
    instants: ['2027-03-10T00:00:00.123+00:00', null],
  })
})
