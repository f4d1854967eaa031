import { beforeEach, expect, test } from 'vitest'
import { memory } from '../../functions/program.ts'
import { db } from '../../shared/db.ts'
import { loadClaim } from '../../shared/scheduling/claim/load-claim.ts'
import { Executor } from '../../shared/scheduling/run/executor.ts'
import { settle } from '../../shared/scheduling/settle/settle.ts'
import { leavesBroken } from '../setup/doctor.ts'
import { eventually } from '../setup/eventually.ts'
import { emptyTables, insertTask, statementsWaiting } from '../setup/rows.ts'
import { expireLeases, historyOf, startAll, tickOnly } from '../setup/scheduler.ts'

beforeEach(emptyTables)

const DUE = new Date('2027-03-10T00:00:00.400Z')
const NO_LIMIT_MS = 3_600_000
const success = { status: 'success', result: {} } as const

const strandedRows = () => db()`
  select s.task_id, s.status from task_state s left join claims c on c.id = s.claim_id and s.task_id = any(c.task_ids)
  where s.status is not null and s.claim_id is not null and c.id is null`

async function claimOf(names: Record<string, object>, aheadMs = 0) {
  for (const [name, given] of Object.entries(names)) await insertTask({ name, ...given })
  const [claim] = (await tickOnly(DUE, aheadMs)).claims
  if (!claim) throw new Error('nothing was claimed')
  return claim
}

const sleep = (duration: number) => ({ params: db().json({ duration }) })

/**
 * Runs `work` while locks block writes to the ledger and renewals of claims, so that the first settlement waits.
 * Releases the locks once `isLost` resolves.
 */
async function whileNothingIsWritten(
  work: () => Promise<void>,
  isLost: () => Promise<unknown>,
): Promise<void> {
  let running: Promise<void> = Promise.resolve()
  await db().begin(async (tx) => {
    await tx`lock table executions in share mode`
    await tx`select from claims for update`
    running = work()
    await statementsWaiting(2)
    await isLost()
  })
  await running
}

test('a settlement after a lost lease does not delete the claim, so its unfinished runs are recovered', async () => {
  const claim = await claimOf({ first: sleep(0), second: sleep(0.05), long: sleep(60) })
  const executor = new Executor(db(), { leaseSeconds: 30, defaultTimeoutSeconds: 100, maxRunning: 1000 })
  const aged = { ...claim, since: performance.now() - 29_500 }
  const isLost = async () => {
    while (executor.load === claim.executions.length) await db()`select 1`
  }
  await whileNothingIsWritten(() => executor.execute(aged, NO_LIMIT_MS), isLost)
  expect(await strandedRows()).toEqual([])
  // This is repeated because the heartbeat's last renewal may still be in flight and extend the lease again.
  await eventually(async () => {
    await expireLeases()
    await tickOnly(DUE)
    expect((await historyOf(3)).map(({ status }) => status)).toEqual(['lost', 'queued'])
  })
})

test('losing the lease does not delete the claim of an execution that is not due yet', async () => {
  const later = { ...sleep(60), next_run_at: '2027-03-10T00:00:00.900Z' }
  const claim = await claimOf({ first: sleep(0), second: sleep(0.05), later }, 1000)
  expect(claim.executions).toHaveLength(3)
  const executor = new Executor(db(), { leaseSeconds: 30, defaultTimeoutSeconds: 100, maxRunning: 1000 })
  const aged = { ...claim, since: performance.now() - 29_700 }
  const isLost = async () => {
    while (executor.load === claim.executions.length) await db()`select 1`
  }
  await whileNothingIsWritten(() => executor.execute(aged, NO_LIMIT_MS), isLost)
  expect(await strandedRows()).toEqual([])
  await expireLeases()
  await tickOnly(DUE)
  expect(await historyOf(3)).toMatchObject([{ status: 'queued', attempt: 1 }])
})

test('a claim that is reported as done is deleted only if it holds no open execution in the database', async () => {
  const claim = await claimOf({ a: sleep(0), b: sleep(0) })
  await startAll(claim)
  const [first, second] = claim.executions
  if (!first || !second) throw new Error('expected two executions')
  const partly = await settle(db(), [{ execution: first, outcome: success }], [{ id: claim.id, ends: null }])
  expect(partly).toEqual({ ids: new Set([first.id]), gone: new Set() })
  const wholly = await settle(db(), [{ execution: second, outcome: success }], [{ id: claim.id, ends: null }])
  expect(wholly).toEqual({ ids: new Set([second.id]), gone: new Set([claim.id]) })
})

test('a settlement that the fence partly rejects does not delete the claim', async () => {
  const claim = await claimOf({ a: sleep(0), b: sleep(0) })
  // The execution of task b hasn't started, so its settlement is rejected.
  const [first, second] = claim.executions
  if (!first || !second) throw new Error('expected two executions')
  await startAll({ ...claim, executions: [first] })
  const settlements = [first, second].map((execution) => ({ execution, outcome: success }))
  const { ids, gone } = await settle(db(), settlements, [{ id: claim.id, ends: null }])
  expect({ ids, gone }).toEqual({ ids: new Set([first.id]), gone: new Set() })
  expect(await strandedRows()).toEqual([])
})

test('loading a claim whose row was deleted returns no executions', async () => {
  leavesBroken('held by a claim')
  const claim = await claimOf({ a: sleep(0) })
  await db()`delete from claims`
  const taskIds = claim.executions.map((it) => it.task_id)
  expect(await loadClaim(db(), memory, { claimId: claim.id, taskIds }, 30)).toMatchObject({ executions: [] })
})
