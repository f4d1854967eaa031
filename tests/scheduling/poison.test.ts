import '../setup/doctor.ts'
import { beforeEach, expect, test } from 'vitest'
import { db } from '../../shared/db.ts'
import { messageOf } from '../../shared/errors.ts'
import type { Outcome } from '../../shared/runners/outcome.ts'
import type { Claim } from '../../shared/scheduling/claim/claim.ts'
import { settle } from '../../shared/scheduling/settle/settle.ts'
import { start } from '../../shared/scheduling/state/start.ts'
import { emptyTables, insertTask } from '../setup/rows.ts'
import { historyOf, tickOnly } from '../setup/scheduler.ts'

beforeEach(emptyTables)

const DUE = new Date('2027-03-10T00:00:00.400Z')

async function claimOne(): Promise<Claim> {
  const { claims } = await tickOnly(DUE)
  const [claim] = claims
  if (!claim) throw new Error('nothing was claimed')
  return claim
}

/** Settles an outcome. Returns the status, detail and result that the ledger stores. */
async function settled(outcome: Outcome) {
  await insertTask()
  const [execution] = (await claimOne()).executions
  if (!execution) throw new Error('nothing was claimed')
  await start(db(), [{ execution, inMs: 0 }])
  await settle(db(), [{ execution, outcome }])
  const [kept] = await historyOf(1)
  return { status: kept?.status, detail: kept?.detail, result: kept?.result }
}

const circular: Record<string, unknown> = {}
circular.self = circular

test('replaces only NUL characters and unpaired surrogates', async () => {
  const result = { 'a\0': 'b\0', half: '\ud800', whole: '😀', text: '\\u0000 \\ud800', quoted: '"\\' }
  expect(await settled({ status: 'success', result })).toEqual({
    status: 'success',
    detail: null,
    result: { 'a\ufffd': 'b\ufffd', half: '\ufffd', whole: '😀', text: '\\u0000 \\ud800', quoted: '"\\' },
  })
})

test('replaces invalid characters in a detail, and truncates it', async () => {
  const detail = `a\0\udc00${'😀'.repeat(5_000_000)}`
  const kept = await settled({ status: 'failed', errorCode: 'error', detail, retryable: false })
  expect(kept).toMatchObject({
    status: 'failed',
    detail: expect.stringMatching(/^a\ufffd\ufffd(😀)+\ufffd?…$/u),
  })
  expect(kept.detail).toHaveLength(10_000)
})

test.each([
  ['a BigInt', { big: 1n }, 'BigInt'],
  ['a circular reference', circular, 'circular'],
  [
    'too much text',
    { text: 'x'.repeat(10_000_000) },
    '10000011 characters of JSON exceed the limit of 100000',
  ],
])('a success whose result contains %s is stored without its result', async (_name, result, why) => {
  expect(await settled({ status: 'success', result })).toMatchObject({
    status: 'success',
    detail: expect.stringMatching(new RegExp(`^its result could not be kept: .*${why}`)),
    result: null,
  })
})

test('the detail of a failure is stored even if its result cannot be stored', async () => {
  const outcome: Outcome = {
    status: 'failed',
    errorCode: 'error',
    detail: 'no',
    result: circular,
    retryable: false,
  }
  expect(await settled(outcome)).toMatchObject({
    detail: expect.stringMatching(/^no; its result could not be kept: /),
  })
})

test('messageOf returns a string for any thrown value', () => {
  const thrown = [new Error('why'), new TypeError(), 'text', 1n, undefined, Object.create(null)]
  expect(thrown.map(messageOf)).toEqual([
    'why',
    'TypeError',
    'text',
    '1',
    'undefined',
    'an unprintable value was thrown',
  ])
})
