import { expect, test } from 'vitest'
import { StartLead } from '../../shared/scheduling/run/start-lead.ts'

test('the lead with which starts are written depends on how long the slowest recent start took', () => {
  const lead = new StartLead()
  expect(lead.before(0)).toBe(15)
  lead.record(1, 20.03)
  expect(lead.before(0)).toBeCloseTo(20)
  lead.record(1, 2)
  expect(lead.before(0)).toBeLessThan(20)
  expect(lead.before(0)).toBeGreaterThan(19)
  for (let quick = 0; quick < 500; quick += 1) lead.record(1, 2)
  expect(lead.before(0)).toBeCloseTo(4)
})

test('a large batch of starts is written early, but a single start after it is not', () => {
  const lead = new StartLead()
  for (let quick = 0; quick < 500; quick += 1) lead.record(1, 2)
  expect(lead.before(10_000)).toBeCloseTo(304)
  lead.record(1000, 32)
  expect(lead.before(0)).toBeCloseTo(4)
})

test('a response that took seconds raises the lead to at most 50 ms', () => {
  const lead = new StartLead()
  lead.record(1, 10_000)
  expect(lead.before(0)).toBe(50)
})
