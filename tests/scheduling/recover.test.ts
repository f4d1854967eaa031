import '../setup/doctor.ts'
import { beforeEach, expect, test } from 'vitest'
import { db } from '../../shared/db.ts'
import { emptyTables, insertTask } from '../setup/rows.ts'
import { expireLeases, historyOf, startAll, tickAndRun, tickOnly } from '../setup/scheduler.ts'

beforeEach(emptyTables)

const DUE = new Date('2027-03-10T00:00:00.400Z')

/** Claims and starts the due task, then expires its lease. */
async function crash(): Promise<void> {
  const { claims } = await tickOnly(DUE)
  for (const claim of claims) await startAll(claim)
  await expireLeases()
}

test('requeues a lost execution as the next attempt once its lease expires', async () => {
  await insertTask({ params: { duration: 0 } })
  await crash()
  await tickAndRun(DUE)
  const [lost, again] = await historyOf(1)
  expect(lost).toMatchObject({
    status: 'lost',
    attempt: 1,
    detail: 'the worker went silent: its lease ran out',
  })
  expect(again).toMatchObject({ status: 'success', attempt: 2, scheduled_for: lost?.scheduled_for })
})

test('a loss does not count toward max_attempts', async () => {
  await insertTask({ type: 'http', params: { url: 'http://127.0.0.1:1/' }, max_attempts: 2 })
  await crash()
  await tickAndRun(DUE)
  const history = await historyOf(1)
  expect(history.map(({ status, attempt }) => [status, attempt])).toEqual([
    ['lost', 1],
    ['failed', 2],
    ['queued', 3],
  ])
})

test('an execution that was claimed but never started is claimed again as the same attempt', async () => {
  await insertTask({ params: { duration: 0 } })
  await tickOnly(DUE)
  await expireLeases()
  const { ticked } = await tickOnly(DUE)
  expect(ticked).toMatchObject({ lost: 0, freed: 1, claimed: 1 })
  expect(await historyOf(1)).toMatchObject([{ status: 'queued', attempt: 1 }])
})

test('does not touch executions whose lease is valid', async () => {
  await insertTask({ params: { duration: 0 } })
  const { claims } = await tickOnly(DUE)
  for (const claim of claims) await startAll(claim)
  const { ticked } = await tickOnly(DUE)
  expect(ticked).toMatchObject({ lost: 0, freed: 0, claimed: 0 })
})

test('an occurrence that is lost more than crash_limit times pauses its task', async () => {
  await insertTask({ crash_limit: 2 })
  for (let crashes = 0; crashes < 4; crashes += 1) await crash()
  const history = await historyOf(1)
  expect(history.map(({ status }) => status)).toEqual(['lost', 'lost', 'lost'])
  const [task] = await db()`select paused_at is not null as paused, pause_reason from whole_tasks`
  expect(task).toEqual({
    paused: true,
    pause_reason: 'one occurrence was lost 3 times: more than its crash_limit',
  })
})

test('a run whose cancellation was requested is not requeued when its worker dies', async () => {
  await insertTask()
  const { claims } = await tickOnly(DUE)
  for (const claim of claims) await startAll(claim)
  await db()`update task_state set cancel_requested_at = now()`
  await expireLeases()
  await tickAndRun(DUE)
  expect((await historyOf(1)).map(({ status }) => status)).toEqual(['lost'])
})
