import { afterEach, expect } from 'vitest'
import { findViolations } from './violations.ts'

let allowed: string[] = []

/** Allows the current test to leave rows that break these invariants, because it writes them itself. */
export function leavesBroken(...invariants: string[]): void {
  allowed = invariants
}

/** Checks, after each test of the importing file, that its database breaks no invariant. */
afterEach(async () => {
  const isAllowed = (invariant: string): boolean => allowed.some((part) => invariant.includes(part))
  const violations = await findViolations()
  expect(violations.filter(({ invariant }) => !isAllowed(invariant))).toEqual([])
  allowed = []
})
