import { expect, test } from 'vitest'
import { keptSlots } from '../../shared/scheduling/run/slots.ts'

test.each([
  [3, 0],
  [4, 1],
  [7, 1],
  [8, 2],
  [31, 3],
  [64, 8],
  [1000, 16],
])('of %i slots, %i are kept', (slots, kept) => {
  expect(keptSlots(slots)).toBe(kept)
})
