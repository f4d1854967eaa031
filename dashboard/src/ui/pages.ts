import { useQueries } from '@tanstack/react-query'
import { useCallback, useEffect, useMemo, useRef, useState } from 'react'
import { live } from '../api/live.ts'

export type Page<T> = { rows: T[]; next: string | null }

/** A page that was read before, and may have been dropped since, or whose cursor the previous page returned. */
type Known = { cursor: string | null; rows: number; isRead: boolean }

export type Pages<T> = {
  /** Number of rows known so far, plus a few that are being loaded. */
  count: number
  /** Rows known so far. */
  loaded: number
  isComplete: boolean
  isLoading: boolean
  error: Error | null
  rowAt: (index: number) => T | undefined
  /** Reports which rows are visible. */
  show: (first: number, last: number) => void
  retry: () => void
}

/** Number of rows to load before and after the visible ones. */
const MARGIN = 60
const PLACEHOLDERS = 8

/**
 * Reads a long list as the user scrolls. Keeps and refreshes only the visible pages. Of the others, it keeps the number
 * of rows and the cursor. A component that uses it needs a `key` that stands for the filters.
 */
export function usePages<T>(
  key: readonly unknown[],
  load: (cursor: string | null) => Promise<Page<T>>,
  isBusy: (row: T) => boolean,
): Pages<T> {
  const [known, setKnown] = useState<Known[]>([{ cursor: null, rows: 0, isRead: false }])
  const [sight, setSight] = useState({ first: 0, last: 30 })
  const starts = useMemo(() => startsOf(known), [known])
  const active = known
    .map((page, index) => ({ ...page, index, start: starts[index] ?? 0 }))
    .filter(({ start, rows }) => start <= sight.last + MARGIN && start + rows >= sight.first - MARGIN)
  const results = useQueries({
    queries: active.map(({ cursor }) => ({
      queryKey: [...key, cursor],
      queryFn: () => load(cursor),
      refetchInterval: live<Page<T>>(({ rows }) => rows.some(isBusy)),
      gcTime: 30_000,
    })),
  })
  const held = useRef(new Map<number, T[]>())
  for (const [position, { index }] of active.entries()) {
    const rows = results[position]?.data?.rows
    if (rows) held.current.set(index, rows)
  }
  for (const index of held.current.keys())
    if (!active.some((page) => page.index === index)) held.current.delete(index)

  const seen = active.map(({ index }, position) => ({ index, data: results[position]?.data }))
  const signature = seen.map(({ index, data }) => `${index}:${data?.rows.length}:${data?.next}`).join()
  // biome-ignore lint/correctness/useExhaustiveDependencies: `signature` stands for what is read from `seen`
  useEffect(() => {
    setKnown((before) =>
      seen.reduce((pages, { index, data }) => (data ? learn(pages, index, data) : pages), before),
    )
  }, [signature])

  const loaded = known.reduce((sum, { rows }) => sum + rows, 0)
  const isComplete = known.every(({ isRead }) => isRead)
  return {
    count: isComplete ? loaded : loaded + PLACEHOLDERS,
    loaded,
    isComplete,
    isLoading: loaded === 0 && results.some(({ isPending }) => isPending),
    error: results.find(({ error }) => error)?.error ?? null,
    rowAt: (row) => {
      const page = starts.findLastIndex((start) => start <= row)
      return held.current.get(page)?.[row - (starts[page] ?? 0)]
    },
    show: useCallback((first, last) => {
      setSight((before) => (before.first === first && before.last === last ? before : { first, last }))
    }, []),
    retry: () => {
      for (const { refetch } of results) void refetch()
    },
  }
}

function startsOf(known: Known[]): number[] {
  let start = 0
  return known.map(({ rows }) => {
    const own = start
    start += rows
    return own
  })
}

/** Returns the pages, updated with what a response says about its own page and the next. */
function learn<T>(pages: Known[], index: number, { rows, next }: Page<T>): Known[] {
  const page = pages[index]
  const after = pages[index + 1]
  if (!page) return pages
  const isSame =
    page.isRead && page.rows === rows.length && (next === null ? after === undefined : after?.cursor === next)
  if (isSame) return pages
  const changed = pages.with(index, { ...page, rows: rows.length, isRead: true })
  if (next === null) return changed.slice(0, index + 1)
  return [
    ...changed.slice(0, index + 1),
    { cursor: next, rows: after?.rows ?? 0, isRead: after?.isRead ?? false },
    ...changed.slice(index + 2),
  ]
}
