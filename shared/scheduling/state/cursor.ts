import type { Fragment, Queryable } from '../../db.ts'

/**
 * Returns the set list that moves the cursor to an instant, or ends the schedule with null. An open execution isn't
 * touched.
 */
export const cursorAt = (sql: Queryable, instant: Fragment): Fragment => sql`next_run_at = ${instant}`
