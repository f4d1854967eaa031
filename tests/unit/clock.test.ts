import { expect, test } from 'vitest'
import { DatabaseClock, instantOn } from '../../shared/clock.ts'

const SHOWN = new Date('2027-03-10T00:00:00Z')

test('a clock reading that arrives late does not make due times later', () => {
  const at = performance.now()
  const clock = new DatabaseClock()
  const prompt = clock.add(SHOWN.getTime(), at)
  const instant = instantOn(prompt, SHOWN)
  expect(instant).toBeGreaterThanOrEqual(at)
  while (performance.now() < at + 20) {}
  // The time that the database showed 15 ms ago.
  const late = clock.add(SHOWN.getTime() + 5, at)
  expect(late.now.getTime()).toBe(SHOWN.getTime() + 5)
  expect(instantOn(late, SHOWN)).toBeCloseTo(instant, 2)
})

test('the first clock reading takes effect immediately, and so does a reading taken after the clock was set back', () => {
  const at = performance.now()
  const clock = new DatabaseClock()
  const clockAt = (ms: number) => clock.add(SHOWN.getTime() + ms, performance.now())
  expect(instantOn(clockAt(120_000), SHOWN)).toBeLessThan(at - 119_000)
  expect(instantOn(clockAt(60_000), SHOWN)).toBeGreaterThan(at - 61_000)
})
