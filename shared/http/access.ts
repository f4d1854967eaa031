import type { MiddlewareObj, Request } from '@middy/core'
import type { APIGatewayProxyEventV2, Context } from 'aws-lambda'
import { Authenticator } from '../access/authenticate.ts'
import { CallerLimits } from '../access/limits.ts'
import { OidcVerifier } from '../access/oidc.ts'
import { checkHost, checkOrigin } from '../access/origin.ts'
import { StoredKeys } from '../access/stored-keys.ts'
import { config } from '../config.ts'
import { db } from '../db.ts'
import { AppError } from '../errors.ts'
import { type Access, ANYONE, includes, type Principal } from '../scope.ts'

type HttpRequest = Request<APIGatewayProxyEventV2, unknown, Error, Context, { entered?: Principal }>

const callers = new WeakMap<APIGatewayProxyEventV2, Principal>()

/** Returns the caller who sent a request, or undefined on public routes and before the key has been checked. */
export const callerOf = (event: APIGatewayProxyEventV2): Principal | undefined => callers.get(event)

/** What this process knows about its callers. Created on first use, when the settings have been read. */
type Gate = { authenticator: Authenticator; stored: StoredKeys; limits: CallerLimits }

let gate: Gate | undefined

function ownGate(): Gate {
  if (gate) return gate
  const { keys, oidc } = config()
  const stored = new StoredKeys(db())
  const issuer = oidc && new OidcVerifier(oidc)
  gate = {
    stored,
    authenticator: new Authenticator({ keys, stored, issuer }),
    limits: new CallerLimits(config()),
  }
  return gate
}

/** Returns whether anyone may call the API, because there is no key and no issuer. */
export const isOpen = (): Promise<boolean> => ownGate().authenticator.isOpen()

/** Returns this process's copy of the keys in the table. */
export const storedKeys = (): StoredKeys => ownGate().stored

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
      const { method, sourceIp } = event.requestContext.http
      checkOrigin(method, event.headers, config())
      if (access === 'public') return
      const { authenticator, limits } = ownGate()
      const caller = await authenticator.authenticate(event.headers, sourceIp)
      if (caller === ANYONE) checkHost(event.headers.host, config().allowedHosts)
      callers.set(event, caller)
      if (!includes(caller.scope, access)) throw tooLittle(caller, access)
      await limits.enter(caller)
      internal.entered = caller
    },
    after: leave,
    onError: leave,
  }
}

const tooLittle = ({ name, scope }: Principal, needed: Access): AppError =>
  new AppError('forbidden', `this requires the scope ${needed}, but ${name} has the scope ${scope}`)
