import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BodyBudget } from '../../infra/container/body-budget.ts'

const busy = expect.objectContaining({ code: 'unavailable', retryAfterSeconds: 1 })

const thrown = (work: () => void): unknown => {
  try {
    work()
  } catch (error) {
    return error
  }
}

test('one client may take a quarter of the budget, and all clients together may take all of it', () => {
  const budget = new BodyBudget(400)
  const first = budget.open('192.0.2.1')
  first.take(100)
  expect(thrown(() => first.take(1))).toEqual(busy)
  expect(thrown(() => budget.open('::ffff:192.0.2.1').take(1))).toEqual(busy)
  for (const address of ['192.0.2.2', '2001:db8::1', '2001:db8:0:1::1']) budget.open(address).take(100)
  expect(thrown(() => budget.open('192.0.2.3').take(1))).toEqual(busy)
  expect(thrown(() => budget.open('2001:db8::2').take(1))).toEqual(busy)
  first.close()
  budget.open('192.0.2.3').take(100)
})

test('a closed account takes nothing more', () => {
  const account = new BodyBudget(400).open('a')
  account.close()
  expect(thrown(() => account.take(1))).toEqual(busy)
})

const step = fc.record({
  account: fc.nat(9),
  bytes: fc.oneof(fc.constant('close' as const), fc.integer({ min: 0, max: 40 })),
})

test('gives back exactly what was taken, in any order', () => {
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const budget = new BodyBudget(400)
      const accounts = Array.from({ length: 10 }, (_, index) => budget.open(`client ${index % 3}`))
      for (const { account, bytes } of steps) {
        if (bytes === 'close') accounts[account]?.close()
        else thrown(() => accounts[account]?.take(bytes))
      }
      for (const account of [...accounts, ...accounts]) account.close()
      for (const client of ['client 0', 'client 1', 'client 2', 'other']) budget.open(client).take(100)
    }),
  )
})
