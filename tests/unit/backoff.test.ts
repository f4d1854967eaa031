import { expect, test } from 'vitest'
import { backoffSeconds } from '../../shared/scheduling/run/backoff.ts'

test('doubles with each failure, up to the cap', () => {
  const longest = [1, 2, 3, 4, 5].map((failures) => backoffSeconds(5, 30, failures, () => 1))
  expect(longest).toEqual([5, 10, 20, 30, 30])
})

test('half of the backoff is fixed, and half is random', () => {
  expect(backoffSeconds(8, 3600, 1, () => 0)).toBe(4)
  expect(backoffSeconds(8, 3600, 1, () => 0.5)).toBe(6)
})

test('stays finite after thousands of failures', () => {
  expect(backoffSeconds(5, 3600, 5000, () => 1)).toBe(3600)
})
