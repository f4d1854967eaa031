import { beforeEach, expect, test, vi } from 'vitest'
import { provideDispatcher } from '../../../functions/program.ts'
import { handler } from '../../../functions/scheduler/tick.ts'
import { db } from '../../../shared/db.ts'
import type { Claim } from '../../../shared/scheduling/claim/claim.ts'
import { lambdaContext } from '../../setup/http-event.ts'
import { emptyTables, insertTask, nowPlus } from '../../setup/rows.ts'

// Runs before the imports, which read the settings.
vi.hoisted(() => {
  process.env.TICK_INTERVAL_MS = '100'
  process.env.CLAIM_AHEAD_MS = '200'
})

const LOOP = { loopSeconds: 1 }

let claims: Claim[] = []
let questions = 0

beforeEach(async () => {
  await emptyTables()
  claims = []
  questions = 0
  workersThat(() => 1000)
})

/**
 * Simulates workers whose capacity is whatever `answer` returns. A tick asks for the capacity before it claims tasks.
 */
function workersThat(answer: (question: number) => number): void {
  provideDispatcher({
    capacity: async () => {
      questions += 1
      return { now: 0, ahead: answer(questions) }
    },
    send: async (claim) => void claims.push(claim),
  })
}

/** Returns how long before its first execution's due time a claim was made, in milliseconds. */
const waitOf = (claim?: Claim): number =>
  claim?.executions[0] ? claim.executions[0].due_at.getTime() - claim.clock.now.getTime() : Number.NaN

const invoke = (event: unknown) => handler(event, lambdaContext())

test('ticks once if the event has no loopSeconds', async () => {
  await insertTask({ next_run_at: await nowPlus(0) })
  const ticked = await invoke({})
  expect(ticked).toMatchObject({ claimed: 1, claimIds: [claims[0]?.id] })
  expect(claims).toHaveLength(1)
})

test('ticks once per interval for loopSeconds, but not at the very end, when the next loop starts', async () => {
  await insertTask({ next_run_at: await nowPlus(0.6) })
  const looped = await invoke(LOOP)
  expect(looped).toMatchObject({ claimed: 1 })
  const { ticks, worked } = looped as { ticks: number; worked: number }
  expect(worked).toBe(ticks)
  // A busy machine may skip ticks, but it can't add any.
  expect(ticks).toBeGreaterThan(5)
  expect(ticks).toBeLessThanOrEqual(10)
  expect(waitOf(claims[0]), 'claimed ahead by at most CLAIM_AHEAD_MS').toBeLessThanOrEqual(200)
})

test('claims further ahead in its last tick, in case the next loop starts late', async () => {
  const id = await insertTask({ next_run_at: await nowPlus(4) })
  await insertTask({ name: 'later', next_run_at: await nowPlus(5) })
  expect(await invoke(LOOP)).toMatchObject({ claimed: 1 })
  const rows = await db()`select task_id, status from all_executions`
  expect(rows).toEqual([{ task_id: id, status: 'queued' }])
  expect(waitOf(claims[0])).toBeGreaterThan(2000)
})

test('continues the loop after failed ticks', async () => {
  workersThat((question) => {
    if (question <= 2) throw new Error('the workers are unreachable')
    return 1000
  })
  await insertTask({ next_run_at: await nowPlus(0) })
  const looped = await invoke(LOOP)
  const { ticks, worked } = looped as { ticks: number; worked: number }
  expect(ticks - worked).toBe(2)
  expect(claims).toHaveLength(1)
})

test('fails if every tick fails, so that an alarm is raised', async () => {
  workersThat(() => {
    throw new Error('the workers are unreachable')
  })
  await insertTask({ next_run_at: await nowPlus(0) })
  await expect(invoke(LOOP)).rejects.toThrow(/^all \d+ ticks failed$/)
})

test.for([{ loopSeconds: 0 }, { loopSeconds: 'a minute' }, { loopSeconds: 900 }])(
  'rejects the event %o',
  async (event) => {
    await expect(invoke(event)).rejects.toThrow(/loopSeconds/)
    expect(questions).toBe(0)
  },
)
