import { openFloor } from './floor.ts'

/** The other layout: an execution has one row from its claim on, and an index refuses a second open one. */
export const open = openFloor('floor-open-index')
