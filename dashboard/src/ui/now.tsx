import { createContext, type ReactNode, useContext, useEffect, useState } from 'react'
import { serverNow } from '../api/conditional.ts'
import type { Task } from '../api/model.ts'
import { distance, localTime, relative, wholeTime } from '../text/time.ts'

const Now = createContext(0)

/** Makes all times on the page move together, once a second while the tab is visible. */
export function NowProvider({ children }: { children: ReactNode }) {
  const [now, setNow] = useState(serverNow)
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) setNow(serverNow())
    }, 1000)
    return () => clearInterval(timer)
  }, [])
  return <Now.Provider value={now}>{children}</Now.Provider>
}

export const useNow = (): number => useContext(Now)

/** A time relative to now, with the local and the UTC time in a tooltip. */
export function Ago({ at }: { at: string }) {
  return (
    <time dateTime={at} title={wholeTime(at)} className="num">
      {relative(at, useNow())}
    </time>
  )
}

/**
 * When a task runs next. A time in the past isn't shown as an age, since the run starts as soon as it can, or is late.
 */
export function Due({ at, task: { running, state } }: { at: string; task: Task }) {
  const now = useNow()
  const ms = now - Date.parse(at)
  const past = state === 'late' ? `${distance(ms)} late` : running ? 'after this run' : 'now'
  return (
    <time dateTime={at} title={wholeTime(at)} className="num">
      {ms < 0 ? relative(at, now) : past}
    </time>
  )
}

/** A time on this browser's clock. */
export function At({ at }: { at: string }) {
  return (
    <time dateTime={at} title={wholeTime(at)} className="num">
      {localTime(at, useNow())}
    </time>
  )
}

/** How long something has been going on. */
export const Elapsed = ({ since }: { since: string }) => (
  <span className="num">{distance(Math.max(0, useNow() - Date.parse(since)))}</span>
)
