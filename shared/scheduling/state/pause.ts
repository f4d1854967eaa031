import type { Fragment, Queryable } from '../../db.ts'

/** Returns the SET clause for a pause that a person requested. The pause ends by itself at `until`. */
export const paused = (sql: Queryable, until: Date | null, reason: string | null): Fragment => sql`
  paused_at = coalesce(s.paused_at, now()), paused_until = ${until}, pause_reason = ${reason}`

/** Returns the SET clause that ends a pause, no matter what caused it. */
export const resumed = (sql: Queryable): Fragment => sql`
  paused_at = null, paused_until = null, pause_reason = null, consecutive_failures = 0`
