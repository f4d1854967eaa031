import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { startTickTimer } from '../../shared/scheduling/tick/tick-timer.ts'

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

test('does not tick after it is stopped, even when nudged', async () => {
  const tick = vi.fn(async () => {})
  const ticker = startTickTimer(tick, 1000)
  await vi.advanceTimersByTimeAsync(1000)
  const before = tick.mock.calls.length
  expect(before).toBeGreaterThan(0)
  await ticker.stop()
  ticker.nudge()
  await vi.advanceTimersByTimeAsync(10_000)
  expect(tick).toHaveBeenCalledTimes(before)
})

test('never ticks if it is stopped right away', async () => {
  const tick = vi.fn(async () => {})
  await startTickTimer(tick, 1000).stop()
  await vi.advanceTimersByTimeAsync(10_000)
  expect(tick).not.toHaveBeenCalled()
})
