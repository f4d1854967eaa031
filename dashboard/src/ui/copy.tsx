import { useState } from 'react'
import { Button } from './button.tsx'
import { say } from './toast.tsx'

/** Copies a text. Says so if it can't, since browsers only offer the clipboard in a secure context. */
export function Copy({ text, label }: { text: string; label: string }) {
  const [done, setDone] = useState(false)
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text)
      setDone(true)
      setTimeout(() => setDone(false), 1500)
    } catch {
      say('The browser allows no copying here: select the text instead.', 'error')
    }
  }
  return (
    <Button kind="plain" icon={done ? 'check' : 'copy'} aria-label={label} title={label} onClick={copy} />
  )
}

export const CopyBlock = ({ text, label }: { text: string; label: string }) => (
  <div className="code-block">
    {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard */}
    <pre tabIndex={0}>{text}</pre>
    <Copy text={text} label={label} />
  </div>
)
