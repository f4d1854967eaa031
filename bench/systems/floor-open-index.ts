import { openFloor } from './floor.ts'

/** The rejected layout: an execution is one ledger row from its claim on, and an index prevents a second open row. */
export const open = openFloor('floor-open-index')
