import { Component, type ReactNode, useEffect, useRef, useState } from 'react'
import { urlOf } from './api/client.ts'
import { go, type Location, to, useLocation } from './router.ts'
import { ExecutionScreen } from './screens/execution.tsx'
import { Executions } from './screens/executions.tsx'
import { Help } from './screens/help.tsx'
import { Overview } from './screens/overview.tsx'
import { TaskScreen } from './screens/task.tsx'
import { EditTask, NewTask } from './screens/task-form.tsx'
import { Tasks } from './screens/tasks.tsx'
import { Login, useLogOut, useSession, useStatus } from './session.tsx'
import { ZONE, zoneOffset } from './text/time.ts'
import { Button } from './ui/button.tsx'
import { Menu } from './ui/menu.tsx'
import { Failure, Message } from './ui/states.tsx'
import { Toasts } from './ui/toast.tsx'

const SCREENS = [
  { name: 'Overview', path: '', key: 'o' },
  { name: 'Tasks', path: 'tasks', key: 't' },
  { name: 'Executions', path: 'executions', key: 'e' },
] as const

export function App() {
  const location = useLocation()
  const { needsLogin, isAway } = useStatus()
  const [isHelping, setHelping] = useState(false)
  useKeys(() => setHelping(true))
  useArrival(location)
  if (needsLogin) return <Login />
  return (
    <>
      <button type="button" className="skip" onClick={() => document.getElementById('main')?.focus()}>
        Skip to the content
      </button>
      <Bar current={location.path[0] ?? ''} onHelp={() => setHelping(true)} />
      {isAway && (
        <p className="away" role="alert">
          The server does not respond. What you see may be out of date; this page tries again by itself.
        </p>
      )}
      <main id="main" tabIndex={-1}>
        <Guard key={location.path.join('/')}>
          <Screen location={location} />
        </Guard>
      </main>
      <footer className="foot">
        {ZONE === 'UTC'
          ? 'Times are in UTC.'
          : `Times are in ${ZONE} (${zoneOffset(Date.now())}). Point at one for UTC.`}{' '}
        <a href={urlOf('docs')}>API documentation</a>
      </footer>
      <Toasts />
      {isHelping && <Help onClose={() => setHelping(false)} />}
    </>
  )
}

function Screen({ location: { path } }: { location: Location }) {
  const [first, second, third] = path
  const id = Number(second)
  if (first === undefined) return <Overview />
  if (first === 'tasks' && second === undefined) return <Tasks />
  if (first === 'tasks' && second === 'new') return <NewTask />
  if (first === 'tasks' && Number.isInteger(id) && third === 'edit') return <EditTask id={id} />
  if (first === 'tasks' && Number.isInteger(id)) return <TaskScreen id={id} />
  if (first === 'executions' && second === undefined) return <Executions />
  if (first === 'executions' && Number.isInteger(id)) return <ExecutionScreen id={id} />
  return (
    <Message
      isPage
      title="There is no such page"
      actions={
        <a className="button" href={to('/')}>
          Overview
        </a>
      }
    >
      The address may be incomplete.
    </Message>
  )
}

function Bar({ current, onHelp }: { current: string; onHelp: () => void }) {
  const session = useSession()
  const logOut = useLogOut()
  return (
    <header className="bar">
      <a className="brand" href={to('/')} aria-label="Task scheduler, overview">
        <svg viewBox="0 0 32 32" width="22" height="22" aria-hidden="true">
          <rect width="32" height="32" rx="8" />
          <path d="M16 8v8l5.5 3.2" />
        </svg>
        <span>Task scheduler</span>
      </a>
      <nav aria-label="Screens">
        {SCREENS.map(({ name, path }) => (
          <a key={path} href={to(`/${path}`)} aria-current={current === path ? 'page' : undefined}>
            {name}
          </a>
        ))}
      </nav>
      <div className="bar-end">
        <Button
          kind="plain"
          icon="keyboard"
          aria-label="Keyboard shortcuts"
          title="Keyboard shortcuts (?)"
          onClick={onHelp}
        />
        <a className="button primary" href={to('/tasks/new')} aria-label="New task">
          <span aria-hidden="true">+</span> <span className="wide-only">New task</span>
        </a>
        {session.login !== 'none' && (
          <Menu
            label={`Logged in as ${session.name}`}
            items={[
              {
                label: `${session.name} (${session.scope})`,
                onSelect: () => undefined,
                refused: 'Who you are',
              },
              { label: 'Log out', onSelect: logOut },
            ]}
          />
        )}
      </div>
    </header>
  )
}

/** `/` searches tasks, `?` helps, `g` and a letter goes to a screen, `n` makes a task. */
function useKeys(help: () => void): void {
  const latest = useRef(help)
  latest.current = help
  useEffect(() => {
    const actions: Record<string, () => void> = {
      '?': () => latest.current(),
      '/': search,
      n: () => go(to('/tasks/new')),
      ...Object.fromEntries(SCREENS.map(({ key, path }) => [`g ${key}`, () => go(to(`/${path}`))])),
    }
    let before = ''
    const onKey = (event: KeyboardEvent) => {
      if (isTaken(event)) return
      const action = actions[`${before} ${event.key}`] ?? actions[event.key]
      before = event.key
      if (!action) return
      action()
      event.preventDefault()
    }
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [])
}

/** Whether a key is for a field, a dialog or the browser. */
function isTaken({ target, ctrlKey, metaKey, altKey }: KeyboardEvent): boolean {
  const isTyping = target instanceof HTMLElement && /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)
  return isTyping || ctrlKey || metaKey || altKey || document.querySelector('dialog[open]') !== null
}

/** Puts the cursor into the search field of the screen, or goes to the tasks, whose field takes it. */
function search(): void {
  const field = document.querySelector<HTMLInputElement>('input[type=search]')
  if (field) field.focus()
  else go(to('/tasks', { find: 1 }))
}

/** Starts each screen at its top, and moves the focus there, so that screen readers say where one is. */
function useArrival({ path }: Location): void {
  const address = path.join('/')
  const before = useRef(address)
  useEffect(() => {
    if (before.current === address) return
    before.current = address
    scrollTo(0, 0)
    document.getElementById('main')?.focus({ preventScroll: true })
  }, [address])
}

/** Keeps the rest of the page when a screen fails. */
class Guard extends Component<{ children: ReactNode }, { error: Error | null }> {
  override state = { error: null }

  static getDerivedStateFromError(error: Error) {
    return { error }
  }

  override render() {
    const { error } = this.state
    return error ? (
      <Failure isPage error={error} retry={() => this.setState({ error: null })} />
    ) : (
      this.props.children
    )
  }
}
