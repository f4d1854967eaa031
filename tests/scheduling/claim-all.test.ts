import '../setup/doctor.ts'
import { beforeEach, expect, test } from 'vitest'
import { memory } from '../../functions/program.ts'
import { db } from '../../shared/db.ts'
import type { Claim } from '../../shared/scheduling/claim/claim.ts'
import { tick } from '../../shared/scheduling/tick/tick.ts'
import { emptyTables, insertTask } from '../setup/rows.ts'

beforeEach(emptyTables)

const DUE = new Date('2027-03-10T00:00:00.400Z')

test('a tick claims no more executions than the worker has capacity for', async () => {
  for (const name of ['a', 'b', 'c']) await insertTask({ name })
  let room = 2
  const send = async (claim: Claim) => {
    room -= claim.executions.length
  }
  const capacity = async () => ({ now: 0, ahead: room })
  await tick(db(), { capacity, send }, memory, { leaseSeconds: 30, now: DUE })
  expect(room).toBe(0)
  expect(await db()`select count(*)::int as claimed from all_executions`).toEqual([{ claimed: 2 }])
})

test('a claim that cannot be dispatched is freed for the next tick', async () => {
  await insertTask({ params: { duration: 0 } })
  const send = async () => {
    throw new Error('no worker responds')
  }
  const capacity = async () => ({ now: 0, ahead: 1 })
  await expect(tick(db(), { capacity, send }, memory, { leaseSeconds: 30, now: DUE })).rejects.toThrow(
    'no worker',
  )
  expect(await db()`select status, claim_id from all_executions`).toEqual([
    { status: 'queued', claim_id: null },
  ])
})

test('claims one batch after another until nothing is due', async () => {
  for (const name of ['a', 'b', 'c', 'd', 'e']) await insertTask({ name })
  const batches: number[] = []
  const send = async (claim: Claim) => void batches.push(claim.executions.length)
  const capacity = async () => ({ now: 0, ahead: 2 })
  expect(await tick(db(), { capacity, send }, memory, { leaseSeconds: 30, now: DUE })).toMatchObject({
    claimed: 5,
  })
  expect(batches).toEqual([2, 2, 1])
})

test('when claims in flight cannot be dispatched, the tick fails and frees all of them', async () => {
  for (const name of ['a', 'b', 'c', 'd', 'e']) await insertTask({ name })
  const send = async () => {
    throw new Error('no worker responds')
  }
  let room = 0
  const capacity = async () => {
    room += 1
    return { now: 0, ahead: room }
  }
  await expect(tick(db(), { capacity, send }, memory, { leaseSeconds: 30, now: DUE })).rejects.toThrow(
    'no worker',
  )
  expect(await db()`select from all_executions where claim_id is not null`).toEqual([])
})
