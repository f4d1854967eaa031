import '../setup/doctor.ts'
import { expect, test } from 'vitest'
import { db } from '../../shared/db.ts'

test('a worker that goes silent inside a transaction holds its locks for seconds, not hours', async () => {
  const [limits] = await db()`
    select current_setting('idle_in_transaction_session_timeout') as idle, current_setting('statement_timeout') as statement,
      current_setting('lock_timeout') as lock`
  expect(limits).toEqual({ idle: '6s', statement: '2250ms', lock: '1500ms' })
})
