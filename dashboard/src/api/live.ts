import type { Query } from '@tanstack/react-query'

const BUSY_MS = 2000
const IDLE_MS = 15_000
const AWAY_MS = 30_000

/** When each query's data last changed. A 304 or an equal body leaves TanStack Query's data the same object. */
const changes = new WeakMap<object, { data: unknown; at: number }>()

/**
 * Returns how long to wait before asking again, in milliseconds: 2 s while something is going on, growing to 15 s while
 * nothing changes, and to 30 s while the server doesn't respond. A hidden tab doesn't ask at all.
 */
export const live =
  <T>(isBusy: (data: T) => boolean = () => false) =>
  (query: Query<T, Error, T, readonly unknown[]>): number => {
    const { data, fetchFailureCount, status } = query.state
    if (status === 'error' || fetchFailureCount > 0)
      return Math.min(BUSY_MS * 2 ** fetchFailureCount, AWAY_MS)
    if (data === undefined || isBusy(data)) return BUSY_MS
    const last = changes.get(query)
    if (last?.data !== data) changes.set(query, { data, at: Date.now() })
    const idleMs = last?.data === data ? Date.now() - last.at : 0
    return Math.min(Math.max(idleMs / 3, BUSY_MS), IDLE_MS)
  }
