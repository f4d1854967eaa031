import { expect, test } from 'vitest'
import { hearClock, instantOn } from '../../shared/clock.ts'

const SHOWN = new Date('2027-03-10T00:00:00Z')

test('an answer that was heard late tells no later instant than one that was heard at once', () => {
  const at = performance.now()
  const prompt = hearClock(SHOWN.getTime(), at)
  const instant = instantOn(prompt, SHOWN)
  expect(instant).toBeGreaterThanOrEqual(at)
  while (performance.now() < at + 20) {}
  // What the database showed 15 ms ago.
  const late = hearClock(SHOWN.getTime() + 5, at)
  expect(late.now.getTime()).toBe(SHOWN.getTime() + 5)
  expect(instantOn(late, SHOWN)).toBeCloseTo(instant, 2)
})

test('an answer that was quicker counts at once, and so does a clock that was set back', () => {
  const at = performance.now()
  const clockAt = (ms: number) => hearClock(SHOWN.getTime() + ms, performance.now())
  expect(instantOn(clockAt(120_000), SHOWN)).toBeLessThan(at - 119_000)
  expect(instantOn(clockAt(60_000), SHOWN)).toBeGreaterThan(at - 61_000)
})
