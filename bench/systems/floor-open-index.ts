import { openFloor } from './floor.ts'

/** The other layout: an execution is one ledger row from its claim on, and an index refuses a second open row. */
export const open = openFloor('floor-open-index')
