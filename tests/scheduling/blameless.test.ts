import '../setup/doctor.ts'
import { beforeEach, expect, test } from 'vitest'
import { memory } from '../../functions/program.ts'
import { db } from '../../shared/db.ts'
import { pauseTasks } from '../../shared/scheduling/control/pause.ts'
import { undoLosses } from '../../shared/scheduling/repair/undo-losses.ts'
import { Executor } from '../../shared/scheduling/run/executor.ts'
import { eventually } from '../setup/eventually.ts'
import { emptyTables, insertTask, nowPlus } from '../setup/rows.ts'
import { expireLeases, historyOf, startAll, tickOnly } from '../setup/scheduler.ts'

beforeEach(emptyTables)

const DUE = new Date('2027-03-10T00:00:00.400Z')

/** Claims and starts the due task, then expires its lease. Returns the ids that the worker would report as given up. */
async function cutOff() {
  const [claim] = (await tickOnly(DUE)).claims
  if (!claim) throw new Error('nothing was claimed')
  await startAll(claim)
  await expireLeases()
  return { claimIds: [claim.id], executionIds: claim.executions.map((it) => it.id) }
}

const state = async () => {
  const [row] = await db()`
    select s.status, s.attempt, s.losses, s.paused_at is not null as paused, s.pause_reason from task_state s`
  return row
}

test("a cut-off worker's report undoes the pause that the loss caused; a second report does nothing", async () => {
  await insertTask({ crash_limit: 0 })
  const givenUp = await cutOff()
  await tickOnly(DUE)
  expect(await state()).toMatchObject({ status: null, paused: true, losses: 1 })
  expect(await undoLosses(db(), givenUp)).toBe(1)
  const after = { status: 'queued', attempt: 2, losses: 0, paused: false, pause_reason: null }
  expect(await state()).toEqual(after)
  expect(await undoLosses(db(), givenUp)).toBe(0)
  expect(await state()).toEqual(after)
  expect((await historyOf(1))[0]).toMatchObject({
    status: 'lost',
    detail: 'its worker could not reach the database: its lease ran out',
  })
})

test('a loss does not count if the worker reports it before the claim is recovered', async () => {
  await insertTask({ crash_limit: 0 })
  const givenUp = await cutOff()
  await undoLosses(db(), givenUp)
  await tickOnly(DUE)
  expect(await state()).toMatchObject({ losses: 0, paused: false, attempt: 2 })
})

test('a loss counts if the worker never reports it, and an empty report changes nothing', async () => {
  await insertTask({ crash_limit: 0 })
  await cutOff()
  await tickOnly(DUE)
  await undoLosses(db(), { claimIds: [], executionIds: [] })
  expect(await state()).toMatchObject({ losses: 1, paused: true })
})

test('undoing losses leaves a manual pause in place', async () => {
  await insertTask({ crash_limit: 0 })
  const givenUp = await cutOff()
  await pauseTasks(db(), [1], { until: null, reason: 'maintenance' })
  await tickOnly(DUE)
  await undoLosses(db(), givenUp)
  expect(await state()).toMatchObject({ status: null, losses: 0, pause_reason: 'maintenance' })
})

test('a started execution is queued again as the same attempt if its claim never reached a worker', async () => {
  await insertTask({ next_run_at: await nowPlus(-1), crash_limit: 0 })
  const since = performance.now()
  const [claim] = (await tickOnly()).claims
  if (!claim) throw new Error('nothing was claimed')
  await startAll(claim)
  memory.unreceived.add([claim.id], since)
  const { ticked } = await tickOnly()
  expect(ticked).toMatchObject({ lost: 0, claimed: 1 })
  expect(await historyOf(1)).toMatchObject([{ status: 'queued', attempt: 1, started_at: null }])
})

/**
 * Executes a due task with a one-second lease, and calls `meanwhile` once it is running. Resolves once the lease is
 * lost.
 */
async function loseIn(meanwhile: (lost: Promise<void>) => Promise<void>): Promise<void> {
  await insertTask({ params: db().json({ duration: 60 }), crash_limit: 0 })
  const [claim] = (await tickOnly(DUE)).claims
  if (!claim) throw new Error('nothing was claimed')
  const executor = new Executor(db(), { leaseSeconds: 1, defaultTimeoutSeconds: 100, maxRunning: 10 })
  const lost = executor.execute({ ...claim, since: performance.now() }, 3_600_000)
  await eventually(() => expect(executor.running).toBe(1))
  await eventually(async () => expect(await state()).toMatchObject({ status: 'running' }))
  await meanwhile(lost)
  await lost
}

test('a loss does not count if the worker could not renew its lease in time', async () => {
  await loseIn(async (lost) => {
    await db().begin(async (tx) => {
      await tx`select from claims for update`
      await lost
    })
  })
  await eventually(async () => expect(await db()`select from claims where blameless`).toHaveLength(1))
  await expireLeases()
  await tickOnly(DUE)
  expect(await state()).toMatchObject({ losses: 0, paused: false, attempt: 2 })
})

test('a loss counts if the run blocked its worker', async () => {
  await loseIn(async () => {
    const until = performance.now() + 1500
    while (performance.now() < until);
  })
  // This is repeated because a renewal that is still in flight may extend the lease again.
  await eventually(async () => {
    await expireLeases()
    await tickOnly(DUE)
    expect(await state()).toMatchObject({ losses: 1, paused: true })
  })
})
