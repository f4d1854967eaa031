import '../setup/doctor.ts'
import { beforeEach, expect, test } from 'vitest'
import { memory } from '../../functions/program.ts'
import { db } from '../../shared/db.ts'
import type { Claim } from '../../shared/scheduling/claim/claim.ts'
import { tick } from '../../shared/scheduling/tick/tick.ts'
import { emptyTables, insertTask } from '../setup/rows.ts'

beforeEach(emptyTables)

type Room = { now: number; ahead: number; quick?: number }

/** Returns the task names in each claim that one tick dispatches to a worker with this capacity. */
async function claimedWith(room: Room): Promise<string[][]> {
  const claims: Claim[] = []
  let left = room
  const send = async (claim: Claim): Promise<void> => {
    claims.push(claim)
    const count = claim.executions.length
    left = { now: left.now - count, ahead: left.ahead - count, quick: (left.quick ?? 0) - count }
  }
  await tick(db(), { capacity: async () => left, send }, memory, { leaseSeconds: 30 })
  return claims.map(({ executions }) => executions.map(({ task }) => task.name).toSorted())
}

const ago = (seconds: number) => new Date(Date.now() - seconds * 1000)

const due = (name: string, seconds: number, given: object = {}) =>
  insertTask({ name, interval_seconds: 86_400, next_run_at: ago(seconds), ...given })

/** Sets how long the task's last run took, in milliseconds. */
const ranFor = (id: number, ms: number) =>
  db()`
    update task_state set started_at = now() - interval '1 h', busy_from = now() - interval '1 h',
      busy_until = now() - interval '1 h' + ${ms} * interval '1 ms'
    where task_id = ${id}`

const queue = (id: number, trigger: string, attempt: number) =>
  db()`
    update task_state set status = 'queued', execution_id = nextval('execution_ids'), scheduled_for = now() - interval '1 min',
      due_at = now() - interval '1 min', unheld_due_at = now() - interval '1 min', attempt = ${attempt}, trigger = ${trigger},
      next_run_at = now() + interval '1 h'
    where task_id = ${id}`

test('the tasks that became due most recently share the capacity with those that have waited longest', async () => {
  for (const [name, seconds] of [
    ['oldest', 50],
    ['old', 40],
    ['middle', 30],
    ['latest', 20],
  ] as const) {
    await due(name, seconds)
  }
  expect(await claimedWith({ now: 0, ahead: 2 })).toEqual([['latest', 'oldest']])
})

test('retries get half of the capacity while other tasks are due, and all of it otherwise', async () => {
  for (const name of ['r1', 'r2', 'r3', 'r4']) await queue(await due(name, 60), 'schedule', 2)
  for (const name of ['d1', 'd2', 'd3', 'd4']) await due(name, 20)
  const both = (await claimedWith({ now: 0, ahead: 4 })).flat()
  expect(both.filter((name) => name.startsWith('r'))).toHaveLength(2)
  expect(both.filter((name) => name.startsWith('d'))).toHaveLength(2)
  expect((await claimedWith({ now: 0, ahead: 4 })).flat()).toHaveLength(4)
})

test('manual runs get half of the capacity while scheduled tasks are due', async () => {
  for (const name of ['m1', 'm2', 'm3', 'm4', 'm5', 'm6']) await queue(await due(name, 60), 'rerun', 1)
  for (const name of ['d1', 'd2']) await due(name, 20)
  const first = (await claimedWith({ now: 0, ahead: 4 })).flat()
  expect(first.filter((name) => name.startsWith('d')).length).toBeGreaterThanOrEqual(1)
  expect(first.filter((name) => name.startsWith('m')).length).toBeGreaterThanOrEqual(2)
})

test('a single free slot alternates between retries and other due tasks', async () => {
  for (const name of ['r1', 'r2']) await queue(await due(name, 60), 'schedule', 2)
  for (const name of ['d1', 'd2']) await due(name, 20)
  const first = await claimedWith({ now: 0, ahead: 1 })
  const second = await claimedWith({ now: 0, ahead: 1 })
  expect([...first.flat(), ...second.flat()].map(([kind]) => kind).toSorted()).toEqual(['d', 'r'])
})

test('a full worker still claims quick tasks, new tasks and manual runs', async () => {
  await ranFor(await due('quick', 20), 100)
  await ranFor(await due('slow', 20), 5000)
  await due('new', 20)
  await queue(await due('retry', 60), 'schedule', 2)
  await queue(await due('manual', 60), 'manual', 1)
  expect(await claimedWith({ now: 0, ahead: 0, quick: 10 })).toEqual([['manual'], ['new', 'quick']])
})

test('a full worker claims freed executions only if their tasks are quick or new', async () => {
  const quick = await due('quick', 20)
  const slow = await due('slow', 20)
  const retry = await due('retry', 20)
  const handedBack = await due('handed back', 20)
  for (const id of [quick, slow, await due('new', 20), handedBack]) await queue(id, 'schedule', 1)
  await queue(retry, 'schedule', 2)
  await db()`
    update task_state
    set busy_from = now() - interval '1 h', busy_until = now() - interval '1 h' + interval '100 ms'
    where task_id in (${quick}, ${retry}, ${handedBack})`
  await db()`update task_state set busy_from = now() - interval '1 h', busy_until = now() where task_id = ${slow}`
  await db()`update task_state set started_at = now() - interval '1 h' where task_id = ${handedBack}`
  expect(await claimedWith({ now: 0, ahead: 0, quick: 10 })).toEqual([['new', 'quick']])
})

test('limits the total size of the params in one claim, and still claims every task', async () => {
  const body = 'x1y2'.repeat(62_500)
  for (let number = 0; number < 70; number += 1) {
    await due(`large ${number}`, 20, { type: 'http', params: { url: 'http://localhost/', body } })
  }
  const claims = await claimedWith({ now: 0, ahead: 1000 })
  expect(Math.max(...claims.map((names) => names.length))).toBeLessThan(40)
  expect(claims.flat()).toHaveLength(70)
})

test('limits the total size of the params in one claim of queued executions', async () => {
  const body = 'x1y2'.repeat(62_500)
  for (let number = 0; number < 40; number += 1) {
    const params = { url: 'http://localhost/', body }
    await queue(await due(`large ${number}`, 20, { type: 'http', params }), 'schedule', 2)
  }
  const claims = await claimedWith({ now: 0, ahead: 1000 })
  expect(Math.max(...claims.map((names) => names.length))).toBeLessThan(40)
  expect(claims.flat()).toHaveLength(40)
})
