import { useSyncExternalStore } from 'react'

/**
 * Addresses are in the fragment (`#/tasks?state=failing`), since the server's own paths are the API's, and since the
 * page must work under any path.
 */
export type Location = { path: string[]; query: URLSearchParams }

const subscribe = (changed: () => void): (() => void) => {
  addEventListener('hashchange', changed)
  return () => removeEventListener('hashchange', changed)
}

function parse(hash: string): Location {
  const [path = '', query = ''] = hash.replace(/^#?\/?/, '').split(/\?(.*)/s)
  return { path: path.split('/').filter(Boolean).map(decode), query: new URLSearchParams(query) }
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

const hashOf = (): string => location.hash

export const useLocation = (): Location => parse(useSyncExternalStore(subscribe, hashOf))

export type Query = Record<string, string | number | undefined | null>

/** Returns the address of a screen within this page. Empty values are left out. */
export function to(path: string, query: Query = {}): string {
  const given = Object.entries(query).filter(
    ([, value]) => value !== undefined && value !== null && value !== '',
  )
  const search = new URLSearchParams(given.map(([key, value]) => [key, String(value)])).toString()
  return `#${path}${search ? `?${search}` : ''}`
}

export function go(href: string, { replace = false } = {}): void {
  if (replace) {
    history.replaceState(null, '', href)
    dispatchEvent(new HashChangeEvent('hashchange'))
  } else {
    location.hash = href
  }
}

/** Returns the query and a function that changes some of it, without a new entry in the history. */
export function useFilters(): [URLSearchParams, (change: Query) => void] {
  const { path, query } = useLocation()
  const set = (change: Query) =>
    go(to(`/${path.map(encodeURIComponent).join('/')}`, { ...Object.fromEntries(query), ...change }), {
      replace: true,
    })
  return [query, set]
}
