import { expect, test } from 'vitest'
import { FAULTS } from './faults.ts'
import { runFault } from './run-fault.ts'

/** FAULT_LEASE_SECONDS=15 is what people run with; `npm run test:faults` does, and prints the table. */
const leaseSeconds = Number(process.env.FAULT_LEASE_SECONDS ?? 2)

test.each(FAULTS)(
  '$name: nothing is stranded, doubled or missing, and all is well again',
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
