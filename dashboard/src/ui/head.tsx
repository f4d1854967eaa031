import { type ReactNode, useEffect } from 'react'

type Props = { title: string; children?: ReactNode; actions?: ReactNode; above?: ReactNode }

/** The head of a screen, which also names the tab. */
export function Head({ title, children, actions, above }: Props) {
  useEffect(() => {
    document.title = `${title} · Task scheduler`
  }, [title])
  return (
    <div className="head">
      <div className="head-text">
        {above && <div className="above-title">{above}</div>}
        <h1>{title}</h1>
        {children}
      </div>
      {actions && <div className="actions">{actions}</div>}
    </div>
  )
}
