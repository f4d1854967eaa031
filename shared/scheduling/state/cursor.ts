import type { Fragment, Queryable } from '../../db.ts'

/**
 * Returns the SET clause that moves the cursor, or ends the schedule if `instant` is null. An open execution isn't
 * affected.
 */
export const cursorAt = (sql: Queryable, instant: Fragment): Fragment => sql`next_run_at = ${instant}`
