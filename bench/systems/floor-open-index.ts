import { openFloor } from './floor.ts'

/** The rejected layout: an execution becomes a ledger row when it is claimed. A task has at most one open row. */
export const open = openFloor('floor-open-index')
