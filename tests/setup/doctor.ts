import { afterEach, expect } from 'vitest'
import { findViolations } from './violations.ts'

let allowed: string[] = []

/** Allows the current test to leave rows that violate these invariants, because it writes such rows on purpose. */
export function leavesBroken(...invariants: string[]): void {
  allowed = invariants
}

/** After each test in a file that imports this one, checks that the database doesn't violate any invariant. */
afterEach(async () => {
  const isAllowed = (invariant: string): boolean => allowed.some((part) => invariant.includes(part))
  const violations = await findViolations()
  expect(violations.filter(({ invariant }) => !isAllowed(invariant))).toEqual([])
  allowed = []
})
