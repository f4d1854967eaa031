import { QueryCache, QueryClient, useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useEffect, useState, useSyncExternalStore } from 'react'
import { ApiError, urlOf } from './api/client.ts'
import { forgetResponses } from './api/conditional.ts'
import { SCOPES, type Session } from './api/model.ts'
import { getSession, logIn, logOut } from './api/requests.ts'
import { sentence } from './text/words.ts'
import { Button } from './ui/button.tsx'

/** What every screen shows: whether the server requires a login, and whether it responds. */
const status = { needsLogin: false, isAway: false }
let snapshot = { ...status }
const listeners = new Set<() => void>()

function note(change: Partial<typeof status>): void {
  if (Object.entries(change).every(([key, value]) => status[key as keyof typeof status] === value)) return
  Object.assign(status, change)
  snapshot = { ...status }
  for (const listener of listeners) listener()
}

const subscribe = (listener: () => void): (() => void) => {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export const useStatus = () => useSyncExternalStore(subscribe, () => snapshot)

const isClientError = (error: Error): boolean =>
  error instanceof ApiError && error.status >= 400 && error.status < 500

/** A server that didn't respond in time is unlikely to respond to an immediate retry. */
const hasHung = ({ cause }: Error): boolean => cause instanceof DOMException && cause.name === 'TimeoutError'

export const queries = new QueryClient({
  queryCache: new QueryCache({
    onSuccess: () => note({ isAway: false }),
    onError(error) {
      if (!(error instanceof ApiError)) return
      if (error.status === 401) note({ needsLogin: true })
      note({ isAway: error.status === 0 })
    },
  }),
  defaultOptions: {
    queries: {
      retry: (count, error) => !isClientError(error) && !hasHung(error) && count < 1,
      retryDelay: 500,
      staleTime: 1000,
      // Sends requests even if the browser believes it is offline, since the server may be on this machine.
      networkMode: 'always',
    },
    mutations: { networkMode: 'always' },
  },
})

const ANYONE: Session = { name: 'anyone', scope: 'admin', expires_at: null, login: 'none' }

/** Returns who is logged in. Asks for a login if one is required. */
export function useSession(): Session {
  const { data } = useQuery({
    queryKey: ['session'],
    queryFn: getSession,
    staleTime: 60_000,
  })
  const isStranger = data !== undefined && data.login !== 'none' && data.name === null
  useEffect(() => {
    if (isStranger) note({ needsLogin: true })
  }, [isStranger])
  return data ?? ANYONE
}

/** Returns a function that says why the caller lacks a scope, or returns null if they have it. */
export function useRefusal(): (scope: string) => string | null {
  const session = useSession()
  return (scope) =>
    SCOPES.indexOf(session.scope ?? '') >= SCOPES.indexOf(scope)
      ? null
      : `This needs a key with the scope ${scope}; yours has ${session.scope ?? 'none'}.`
}

export function useLogOut(): () => Promise<void> {
  const client = useQueryClient()
  return async () => {
    await logOut().catch(() => undefined)
    forgetResponses()
    client.clear()
    note({ needsLogin: true })
  }
}

/** The login has a single field. */
const focus = (field: HTMLInputElement | null): void => field?.focus()

export function Login() {
  const [key, setKey] = useState('')
  const [problem, setProblem] = useState<string | null>(null)
  const [isBusy, setBusy] = useState(false)
  const client = useQueryClient()
  const { data: session } = useQuery({
    queryKey: ['session'],
    queryFn: getSession,
  })
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    setBusy(true)
    try {
      await logIn(key.trim())
      forgetResponses()
      client.clear()
      note({ needsLogin: false })
    } catch (error) {
      setProblem(sentence(error instanceof Error ? error.message : String(error)))
    } finally {
      setBusy(false)
    }
  }
  return (
    <main className="login">
      <form className="panel" onSubmit={submit}>
        <h1>Task scheduler</h1>
        <p className="quiet">This server asks for an API key. Whoever runs the server can give you one.</p>
        <label className="field">
          <span>API key</span>
          <input
            type="password"
            autoComplete="current-password"
            ref={focus}
            required
            value={key}
            onChange={(event) => setKey(event.target.value)}
            aria-invalid={problem !== null}
            aria-describedby="login-problem"
          />
        </label>
        <p id="login-problem" className="problem" role="alert">
          {problem}
        </p>
        <Button type="submit" kind="primary" disabled={isBusy}>
          Log in
        </Button>
        {session?.login === 'oidc' && (
          <a
            className="button"
            href={urlOf(`session/oidc?return_to=${encodeURIComponent(`/${location.hash}`)}`)}
          >
            Log in with your organization
          </a>
        )}
        <p className="quiet small">
          The key is exchanged for a cookie that scripts can't read.{' '}
          <a href={urlOf('docs')}>API documentation</a>
        </p>
      </form>
    </main>
  )
}
