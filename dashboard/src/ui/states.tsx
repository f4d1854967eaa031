import type { ReactNode } from 'react'
import { ApiError } from '../api/client.ts'
import { to } from '../router.ts'
import { sentence } from '../text/words.ts'
import { Button } from './button.tsx'

/** `isPage`: it stands for a whole screen, so its title is the heading. */
type MessageProps = {
  title: string
  children?: ReactNode
  tone?: 'error'
  actions?: ReactNode
  isPage?: boolean
}

/** A message shown instead of data: what happened, and what to do. */
export const Message = ({ title, children, tone, actions, isPage = false }: MessageProps) => (
  <div className={`message ${tone ?? ''}`} {...(tone === 'error' && { role: 'alert' })}>
    {isPage ? <h1 className="message-title">{title}</h1> : <p className="message-title">{title}</p>}
    {children && <div className="message-text">{children}</div>}
    {actions && <div className="actions">{actions}</div>}
  </div>
)

type FailureProps = { error: Error; retry?: () => void; isPage?: boolean }

/** Says why something can't be shown, and what to do about it. */
export function Failure({ error, retry, isPage = false }: FailureProps) {
  const { title, advice } = explain(error)
  const isGone = error instanceof ApiError && error.status === 404
  const id = error instanceof ApiError ? error.problem.request_id : undefined
  return (
    <Message
      tone="error"
      isPage={isPage}
      title={title}
      actions={
        isGone ? (
          <a className="button" href={to('/tasks')}>
            All tasks
          </a>
        ) : (
          retry && (
            <Button icon="rerun" onClick={retry}>
              Try again
            </Button>
          )
        )
      }
    >
      <p>{advice}</p>
      {id && (
        <p className="quiet">
          Request <code>{id}</code>
        </p>
      )}
    </Message>
  )
}

function explain(error: Error): { title: string; advice: string } {
  if (!(error instanceof ApiError)) return { title: 'This page failed', advice: error.message }
  const { status, message, problem } = error
  if (status === 0)
    return {
      title: 'The server does not respond',
      advice: 'It may be restarting. This page tries again by itself; nothing is lost.',
    }
  if (status === 401)
    return { title: 'Log in to see this', advice: 'Your session has ended, or your key was deleted.' }
  if (status === 403)
    return { title: 'Your key does not allow this', advice: `${message}. Ask for a key with that scope.` }
  if (status === 404) return { title: sentence(message), advice: 'It may have been deleted.' }
  if (status === 503 && /database cannot be reached/.test(message))
    return {
      title: 'The database cannot be reached',
      advice:
        'Tasks run on once it is back. Check PostgreSQL and DATABASE_URL; this page tries again by itself.',
    }
  if (status === 504)
    return {
      title: 'The database does not respond',
      advice: 'The server waited in vain for an answer. This page tries again by itself.',
    }
  if (status === 429)
    return { title: 'Too many requests', advice: `${message}. This page tries again by itself.` }
  if (status >= 500)
    return { title: 'The server failed', advice: problem.detail ?? 'Search its log for the request below.' }
  return { title: 'The server refused this', advice: message }
}

/** Stands in for rows that are being loaded. */
export const Skeleton = ({ rows = 3 }: { rows?: number }) => (
  <div className="skeleton" role="status" aria-label="Loading">
    {Array.from({ length: rows }, (_, index) => (
      // biome-ignore lint/suspicious/noArrayIndexKey: the lines have no other identity
      <i key={index} />
    ))}
  </div>
)

type PanelProps = { title: string; children: ReactNode; aside?: ReactNode; className?: string }

export const Panel = ({ title, children, aside, className = '' }: PanelProps) => (
  <section className={`panel ${className}`} aria-label={title}>
    <header className="panel-head">
      <h2>{title}</h2>
      {aside}
    </header>
    {children}
  </section>
)
