import type { MiddlewareObj, Request } from '@middy/core'
import type { APIGatewayProxyEventV2, Context } from 'aws-lambda'
import { Authenticator, credentialIn } from '../access/authenticate.ts'
import { CallerLimits } from '../access/limits.ts'
import { OidcVerifier } from '../access/oidc.ts'
import { checkHost, checkOrigin, checkSessionOrigin } from '../access/origin.ts'
import { issuerBasis } from '../access/session/issuer-basis.ts'
import { Sessions } from '../access/session/sessions.ts'
import type { Holder } from '../access/session/start.ts'
import { StoredKeys } from '../access/stored-keys.ts'
import { config } from '../config.ts'
import { db } from '../db.ts'
import { AppError } from '../errors.ts'
import { type Access, ANYONE, includes, type Principal } from '../scope.ts'
import { readCookie } from './cookie.ts'

type HttpRequest = Request<APIGatewayProxyEventV2, unknown, Error, Context, { entered?: Principal }>

const callers = new WeakMap<APIGatewayProxyEventV2, Principal>()

/** Returns the caller who sent a request, or undefined on public routes and before the key has been checked. */
export const callerOf = (event: APIGatewayProxyEventV2): Principal | undefined => callers.get(event)

/** Names the caller of a public route, for the log. */
export const noteCaller = (event: APIGatewayProxyEventV2, caller: Principal): void => {
  callers.set(event, caller)
}

/** What this process knows about its callers. Created on first use, when the settings have been read. */
type Gate = {
  authenticator: Authenticator
  stored: StoredKeys
  sessions: Sessions
  limits: CallerLimits
  issuer: OidcVerifier | undefined
}

let gate: Gate | undefined

function ownGate(): Gate {
  if (gate) return gate
  const { keys, oidc } = config()
  const stored = new StoredKeys(db())
  const issuer = oidc && new OidcVerifier(oidc)
  gate = {
    stored,
    issuer,
    sessions: new Sessions({ sql: db(), keys, stored, issuerBasis: oidc?.login && issuerBasis(oidc) }),
    authenticator: new Authenticator({ keys, stored, issuer }),
    limits: new CallerLimits(config()),
  }
  return gate
}

/** Returns whether anyone may call the API, because there is no key and no issuer. */
export const isOpen = (): Promise<boolean> => ownGate().authenticator.isOpen()

/** Returns this process's copy of the keys in the table. */
export const storedKeys = (): StoredKeys => ownGate().stored

/** Returns the sessions that this process has seen lately. */
export const sessions = (): Sessions => ownGate().sessions

/** Returns the verifier of the issuer's tokens, or undefined if there is no issuer. */
export const issuer = (): OidcVerifier | undefined => ownGate().issuer

/**
 * Returns who logs in with a key, and when the key expires. The login counts as one of the key's requests. Throws as
 * `Authenticator.logIn` does, and `too_many_requests` if a limit of the key is exceeded.
 */
export async function logInWithKey(
  event: APIGatewayProxyEventV2,
  key: string,
): Promise<{ holder: Holder; expiresAt: Date | null }> {
  const { authenticator, limits } = ownGate()
  const found = await authenticator.logIn(key, event.requestContext.http.sourceIp)
  const { principal } = found.holder
  noteCaller(event, principal)
  await limits.enter(principal)
  limits.leave(principal.id)
  return found
}

/** Who sends a request, and when their session ends if they have one. */
export type Caller = { principal: Principal; endsAt: Date | null }

/** Returns who sends a request, or null if it has no key in its headers and no session that goes on. */
export async function findCaller(event: APIGatewayProxyEventV2): Promise<Caller | null> {
  return await identify(event).catch((error: unknown) => {
    const isRefused = error instanceof AppError && error.code === 'unauthorized'
    if (isRefused && credentialIn(event.headers) === undefined) return null
    throw error
  })
}

/** Identifies the caller by the key in the headers, or else by the session in the cookie. */
async function identify(event: APIGatewayProxyEventV2): Promise<Caller> {
  const { headers, requestContext } = event
  const { method, sourceIp } = requestContext.http
  const { authenticator } = ownGate()
  const token = credentialIn(headers) === undefined ? readCookie('session', event) : undefined
  if (token === undefined || (await authenticator.isOpen())) {
    const principal = await authenticator.authenticate(headers, sourceIp)
    if (principal === ANYONE) checkHost(headers.host, config().allowedHosts)
    return { principal, endsAt: null }
  }
  checkSessionOrigin(method, headers, config())
  const found = await sessions().find(token)
  if (!found) throw new AppError('unauthorized', 'the session has ended; log in again, or send a key')
  return found
}

/**
 * Lets a request pass if it doesn't come from another site's web page, if its caller has the scope that the route
 * requires, and if the caller's limits aren't exceeded.
 */
export function requireAccess(
  access: Access,
): MiddlewareObj<APIGatewayProxyEventV2, unknown, Error, Context, HttpRequest['internal']> {
  // May be called twice: if a response can't be written, the `onError` hooks run after the `after` hooks.
  const leave = ({ internal }: HttpRequest): void => {
    if (internal.entered) ownGate().limits.leave(internal.entered.id)
    delete internal.entered
  }
  return {
    async before({ event, internal }) {
      checkOrigin(event.requestContext.http.method, event.headers, config())
      if (access === 'public') return
      const { principal: caller } = await identify(event)
      callers.set(event, caller)
      if (!includes(caller.scope, access)) throw tooLittle(caller, access)
      await ownGate().limits.enter(caller)
      internal.entered = caller
    },
    after: leave,
    onError: leave,
  }
}

const tooLittle = ({ name, scope }: Principal, needed: Access): AppError =>
  new AppError('forbidden', `this requires the scope ${needed}, but ${name} has the scope ${scope}`)
