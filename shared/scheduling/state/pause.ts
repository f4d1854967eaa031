import type { Fragment, Queryable } from '../../db.ts'

/** Returns the set list of a pause by a person. It ends by itself at `until`. */
export const paused = (sql: Queryable, until: Date | null, reason: string | null): Fragment => sql`
  paused_at = coalesce(s.paused_at, now()), paused_until = ${until}, pause_reason = ${reason}`

/** Returns the set list that ends a pause, whoever began it. */
export const resumed = (sql: Queryable): Fragment => sql`
  paused_at = null, paused_until = null, pause_reason = null, consecutive_failures = 0`
