import { expect, test } from 'vitest'
import { FAULTS } from './faults.ts'
import { runFault } from './run-fault.ts'

/** A short lease keeps the test quick. `npm run test:faults` sets FAULT_LEASE_SECONDS=15, the product's default. */
const leaseSeconds = Number(process.env.FAULT_LEASE_SECONDS ?? 2)

test.each(FAULTS)(
  '$name: recovers without stranded, doubled or missing executions',
  {
    timeout: 60_000 + 3 * leaseSeconds * 1000,
  },
  async (fault) => {
    const { broken, ...report } = await runFault(fault, leaseSeconds)
    console.log(JSON.stringify(report))
    expect(broken).toEqual({})
    expect(report).toMatchObject({
      stranded: 0,
      overlapping: 0,
      doubled: 0,
      missing: 0,
      'wrongly paused': 0,
    })
  },
)
