import { afterEach, expect } from 'vitest'
import { findViolations } from './violations.ts'

let allowed: string[] = []

/** This test leaves rows behind that break these invariants: it wrote them by hand. */
export function leavesBroken(...invariants: string[]): void {
  allowed = invariants
}

/** After each test of the file that imports this: its database breaks no invariant. */
afterEach(async () => {
  const isAllowed = (invariant: string): boolean => allowed.some((part) => invariant.includes(part))
  const violations = await findViolations()
  expect(violations.filter(({ invariant }) => !isAllowed(invariant))).toEqual([])
  allowed = []
})
