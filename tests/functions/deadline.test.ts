import { beforeEach, expect, test } from 'vitest'
import { db } from '../../shared/db.ts'
import { withDeadline } from '../../shared/http/deadline.ts'
import { emptyTables, insertTask } from '../setup/rows.ts'

beforeEach(emptyTables)

const inMs = (ms: number) => performance.now() + ms

test('rejects a statement that might not finish before the response is due', async () => {
  const sql = withDeadline(db(), { startsBy: inMs(-1), answerAt: inMs(1000) })
  expect(() => sql`select 1`).toThrow('took too long')
  await expect(sql.begin(async () => 1)).rejects.toThrow('took too long')
})

test('rolls back a transaction whose commit would start too late', async () => {
  await insertTask()
  const sql = withDeadline(db(), { startsBy: inMs(100), answerAt: inMs(10_000) })
  const late = sql.begin(async (tx) => {
    await tx`update tasks set name = 'late'`
    await db()`select pg_sleep(0.2)`
  })
  await expect(late).rejects.toThrow('took too long')
  expect(await db()`select name from tasks`).toEqual([{ name: 'a' }])
})

test('allows reads after a commit until the response is due', async () => {
  await insertTask()
  const sql = withDeadline(db(), { startsBy: inMs(100), answerAt: inMs(10_000) })
  await sql.begin(async (tx) => await tx`update tasks set name = 'in time'`)
  await db()`select pg_sleep(0.2)`
  expect(await sql`select name from tasks`).toEqual([{ name: 'in time' }])
})
