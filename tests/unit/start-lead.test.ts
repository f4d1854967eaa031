import { expect, test } from 'vitest'
import { StartLead } from '../../shared/scheduling/run/start-lead.ts'

test('a start is written as far ahead of its due time as the slowest recent start took', () => {
  const lead = new StartLead()
  expect(lead.before(0)).toBe(4)
  lead.record(1, 20.03)
  expect(lead.before(0)).toBeCloseTo(20)
  lead.record(1, 2)
  expect(lead.before(0)).toBeLessThan(20)
  expect(lead.before(0)).toBeGreaterThan(19)
  for (let quick = 0; quick < 500; quick += 1) lead.record(1, 2)
  expect(lead.before(0)).toBeCloseTo(4)
})

test('many starts due at once are written earlier, without making a single start earlier', () => {
  const lead = new StartLead()
  expect(lead.before(10_000)).toBeCloseTo(304)
  lead.record(1000, 32)
  expect(lead.before(0)).toBe(4)
})

test('one response that took seconds raises the lead to no more than fifty milliseconds', () => {
  const lead = new StartLead()
  lead.record(1, 10_000)
  expect(lead.before(0)).toBe(50)
})
