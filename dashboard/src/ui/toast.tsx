import { useSyncExternalStore } from 'react'
import { Button } from './button.tsx'

type Toast = { id: number; text: string; tone?: 'error' }

const SHOWN_MS = 6000
const MAX = 4

let toasts: Toast[] = []
let lastId = 0
const listeners = new Set<() => void>()

function set(next: Toast[]): void {
  toasts = next
  for (const listener of listeners) listener()
}

const dismiss = (id: number): void => set(toasts.filter((it) => it.id !== id))

/** Shows a short message. Screen readers say it. An error stays until it is closed. */
export function say(text: string, tone?: 'error'): void {
  const toast: Toast = { id: ++lastId, text, ...(tone && { tone }) }
  set([...toasts, toast].slice(-MAX))
  if (!tone) setTimeout(() => dismiss(toast.id), SHOWN_MS)
}

const subscribe = (listener: () => void): (() => void) => {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export function Toasts() {
  const shown = useSyncExternalStore(subscribe, () => toasts)
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map(({ id, text, tone }) => (
        <div key={id} className={`toast ${tone ?? ''}`}>
          <span>{text}</span>
          <Button kind="plain" icon="close" aria-label="Dismiss" onClick={() => dismiss(id)} />
        </div>
      ))}
    </div>
  )
}
