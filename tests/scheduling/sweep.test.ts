import { beforeEach, expect, test } from 'vitest'
import { db } from '../../shared/db.ts'
import { sweep } from '../../shared/scheduling/repair/sweep.ts'
import { settle } from '../../shared/scheduling/settle/settle.ts'
import { leavesBroken } from '../setup/doctor.ts'
import { emptyTables, insertTask } from '../setup/rows.ts'
import { expireLeases, historyOf, startAll, tickAndRun, tickOnly } from '../setup/scheduler.ts'

const DUE = new Date('2027-03-10T00:00:00.400Z')
const LEASE = { leaseSeconds: 30 }

const isDue = () => db()`update sweep set next_page = 0, due_at = 'epoch'`

beforeEach(emptyTables)

async function sweepNow(): Promise<void> {
  await isDue()
  await sweep(db(), LEASE)
}

const claims = () => db()<{ id: string; task_ids: number[]; held: boolean }[]>`
  select id, to_jsonb(task_ids) as task_ids, lease_expires_at > now() + interval '20 s' as held from claims order by id`

async function strand(isStarted: boolean) {
  const [claim] = (await tickOnly(DUE)).claims
  if (!claim) throw new Error('nothing was claimed')
  if (isStarted) await startAll(claim)
  await db()`delete from claims`
  return claim
}

test('a running execution with a missing claim gets a new lease, and runs again once the lease expires', async () => {
  await insertTask({ params: { duration: 0 }, crash_limit: 0 })
  const claim = await strand(true)
  await sweepNow()
  expect(await claims()).toEqual([{ id: claim.id, task_ids: [1], held: true }])
  await expireLeases()
  await tickAndRun(DUE)
  // The loss doesn't count. Otherwise the crash_limit of 0 would have paused the task.
  expect((await historyOf(1)).map(({ status }) => status)).toEqual(['lost', 'success'])
})

test('a queued execution with a missing claim is freed as the same attempt once its new lease expires', async () => {
  await insertTask({ params: { duration: 0 } })
  await strand(false)
  await sweepNow()
  await expireLeases()
  await tickAndRun(DUE)
  expect(await historyOf(1)).toMatchObject([{ status: 'success', attempt: 1 }])
})

test('a worker that is still alive settles its execution as usual after the sweep', async () => {
  await insertTask({ params: { duration: 0 } })
  const claim = await strand(true)
  await sweepNow()
  const settlements = claim.executions.map((execution) => ({
    execution,
    outcome: { status: 'success' as const, result: {} },
  }))
  expect((await settle(db(), settlements, [{ id: claim.id, ends: null }])).gone).toEqual(new Set([claim.id]))
  expect(await historyOf(1)).toMatchObject([{ status: 'success' }])
})

test('a task missing from its claim is added back, and the claim keeps its lease', async () => {
  for (const name of ['a', 'b']) await insertTask({ name })
  const [claim] = (await tickOnly(DUE)).claims
  await db()`update claims set task_ids = array[2]`
  await sweepNow()
  expect(await claims()).toEqual([{ id: claim?.id, task_ids: [2, 1], held: true }])
})

test('ignores executions with a valid claim or no claim', async () => {
  for (const name of ['a', 'b']) await insertTask({ name })
  await tickOnly(DUE)
  await db()`update task_state set claim_id = null, unheld_due_at = due_at where task_id = 2`
  const before = await claims()
  await sweepNow()
  expect(await claims()).toEqual(before)
})

test('each slice starts where the previous slice ended, and the sweep pauses after the last slice', async () => {
  leavesBroken('held by a claim')
  for (let i = 0; i < 200; i += 1) await insertTask({ name: `t${i}` })
  const pages: number[] = []
  const inMs: number[] = []
  await isDue()
  do {
    await db()`update sweep set due_at = 'epoch'`
    inMs.push(await sweep(db(), { ...LEASE, leastPages: 2 }))
    const [{ next }] = await db()<[{ next: number }]>`select next_page as next from sweep`
    pages.push(next)
  } while (pages.at(-1) !== 0)
  expect(pages.slice(0, 3)).toEqual([2, 4, 6])
  expect(inMs[0]).toBeLessThan(20_000)
  expect(inMs.at(-1)).toBeGreaterThan(20_000)
})

test('does nothing before it is due or while another replica is sweeping', async () => {
  leavesBroken('held by a claim')
  await insertTask()
  await strand(true)
  await db()`update sweep set due_at = now() + interval '1 hour'`
  await sweep(db(), LEASE)
  await isDue()
  await db().begin(async (tx) => {
    await tx`select from sweep for update`
    await sweep(db(), LEASE)
  })
  expect(await claims()).toEqual([])
})

test('reads only its own slice of the table, by physical position', async () => {
  const plan = await db()<{ 'QUERY PLAN': string }[]>`
    explain select from task_state s where s.ctid >= ${'(5,0)'}::tid and s.ctid < ${'(9,0)'}::tid and s.status is not null`
  expect(plan.map((row) => row['QUERY PLAN']).join('\n')).toContain('Tid Range Scan')
})
