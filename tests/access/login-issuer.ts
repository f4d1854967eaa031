import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import Provider from 'oidc-provider'
import { AUDIENCE, type SigningKey } from './issuer.ts'

type Stored = { payload: Record<string, unknown> }

/** Keeps what oidc-provider stores during a login: codes, sessions and grants. */
function memory() {
  const stored = new Map<string, Stored>()
  return class {
    readonly #kind: string
    constructor(kind: string) {
      this.#kind = kind
    }
    #key = (id: string) => `${this.#kind}:${id}`
    async upsert(id: string, payload: Record<string, unknown>) {
      stored.set(this.#key(id), { payload })
    }
    async find(id: string) {
      return stored.get(this.#key(id))?.payload
    }
    async findByUid(uid: string) {
      return [...stored.values()].find(({ payload }) => payload.uid === uid)?.payload
    }
    async consume(id: string) {
      const found = stored.get(this.#key(id))
      if (found) found.payload.consumed = Math.floor(Date.now() / 1000)
    }
    async destroy(id: string) {
      stored.delete(this.#key(id))
    }
    async revokeByGrantId(grantId: string) {
      for (const [key, { payload }] of stored) if (payload.grantId === grantId) stored.delete(key)
    }
  }
}

/**
 * Starts an issuer at which `person` is always signed in: it asks nothing. `eve` may only read. `denies`: the person
 * says no instead. Its client `dashboard` must use PKCE.
 */
export async function startLoginIssuer(key: SigningKey, redirectUri: string) {
  const state = { person: 'ann', denies: false, tokenRequests: 0, isDown: false }
  let listener: RequestListener = () => {}
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/token')) state.tokenRequests += 1
    if (state.isDown) response.writeHead(500).end()
    else if (request.url?.startsWith('/interaction/')) void interact(provider, request, response, state)
    else listener(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  // The cast is safe because the server listens on a TCP port.
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const provider = new Provider(url, configuration(key, redirectUri))
  listener = provider.callback()
  return {
    url,
    state,
    async stop() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

async function interact(
  provider: Provider,
  request: IncomingMessage,
  response: ServerResponse,
  { person, denies }: { person: string; denies: boolean },
): Promise<void> {
  const result = denies ? { error: 'access_denied' } : { login: { accountId: person } }
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false })
}

/** The parts of oidc-provider's context that are used here. */
type Context = {
  oidc: {
    provider: { Grant: new (about: object) => Grant }
    client: { clientId: string }
    session: { accountId?: string }
    account?: { accountId: string }
  }
}

type Grant = {
  addOIDCScope(scope: string): void
  addResourceScope(resource: string, scope: string): void
  rejectResourceScope(resource: string, scope: string): void
  save(): Promise<string>
}

const GRANTED = 'tasks:read tasks:write'

const configuration = (key: SigningKey, redirectUri: string) => ({
  adapter: memory(),
  jwks: { keys: [key.jwk] },
  cookies: { keys: ['secret'] },
  ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
  pkce: { required: () => true },
  clients: ['dashboard', 'other'].map((id) => ({
    client_id: id,
    client_secret: `${id}-secret`,
    redirect_uris: [redirectUri],
  })),
  findAccount: (_: unknown, id: string) => ({ accountId: id, claims: () => ({ sub: id }) }),
  // Everyone has already agreed, so no page asks for it.
  async loadExistingGrant({ oidc }: Context) {
    const grant = new oidc.provider.Grant({
      clientId: oidc.client.clientId,
      accountId: oidc.session.accountId,
    })
    grant.addOIDCScope('openid')
    if (oidc.session.accountId === 'eve') {
      grant.addResourceScope(AUDIENCE, 'tasks:read')
      grant.rejectResourceScope(AUDIENCE, 'tasks:write')
    } else grant.addResourceScope(AUDIENCE, GRANTED)
    await grant.save()
    return grant
  },
  extraTokenClaims: ({ oidc }: Context) => ({ preferred_username: oidc.account?.accountId }),
  features: {
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: () => ({
        scope: GRANTED,
        audience: AUDIENCE,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
  interactions: { url: (_: unknown, { uid }: { uid: string }) => `/interaction/${uid}` },
})
