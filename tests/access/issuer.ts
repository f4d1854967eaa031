import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import Provider from 'oidc-provider'

export const AUDIENCE = 'https://tasks.example'
export const DISCOVERY = '/.well-known/openid-configuration'

/** `jwk` is the private key, with its `kid` and `alg`. */
export type SigningKey = { kid: string; alg: string; jwk: JWK }

export async function signingKey(kid: string, alg = 'RS256'): Promise<SigningKey> {
  const { privateKey } = await generateKeyPair(alg, { extractable: true })
  return { kid, alg, jwk: { ...(await exportJWK(privateKey)), kid, alg, use: 'sig' } }
}

/**
 * Starts oidc-provider on a local port. Its only client gets access tokens with the scopes that it asks for, and with
 * two claims: `realm_access.roles`, as in Keycloak, and `https://tasks.example/roles`, as in Auth0.
 */
export async function startIssuer(keys: SigningKey[]) {
  const paths: string[] = []
  let listener: RequestListener = () => {}
  const server = createServer((request, response) => {
    paths.push(request.url ?? '')
    listener(request, response)
  })
  const listen = async (port: number) => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    // The cast is safe because the server listens on a TCP port.
    return (server.address() as AddressInfo).port
  }
  const port = await listen(0)
  const url = `http://127.0.0.1:${port}`
  const stop = async () => {
    if (!server.listening) return
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }
  const provide = (current: SigningKey[]) => {
    listener = new Provider(url, configuration(current)).callback()
  }
  provide(keys)
  return {
    url,
    /** The paths of all requests so far. */
    paths,
    /** Replaces the keys. Tokens are signed with the first `RS256` key. */
    provide,
    /** Replaces oidc-provider with another listener. */
    answer: (other: RequestListener) => {
      listener = other
    },
    stop,
    restart: () => listen(port),
    token: (scope: string) => requestToken(url, scope),
    [Symbol.asyncDispose]: stop,
  }
}

async function requestToken(url: string, scope: string): Promise<string> {
  const response = await fetch(`${url}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa('reporter:secret')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', resource: AUDIENCE, scope }),
  })
  const { access_token } = (await response.json()) as { access_token?: unknown }
  if (typeof access_token !== 'string') throw new Error(`no token: status ${response.status}`)
  return access_token
}

/**
 * Stores nothing, since neither the JWTs nor the client need to be stored. Without an adapter, oidc-provider would
 * print a warning.
 */
class NoStore {
  async find() {}
  async upsert() {}
  async destroy() {}
}

const configuration = (keys: SigningKey[]) => ({
  adapter: NoStore,
  ttl: { ClientCredentials: 600 },
  jwks: { keys: keys.map(({ jwk }) => jwk) },
  cookies: { keys: ['secret'] },
  clients: [
    {
      client_id: 'reporter',
      client_secret: 'secret',
      grant_types: ['client_credentials'],
      response_types: [],
      redirect_uris: [],
    },
  ],
  extraTokenClaims: () => ({
    realm_access: { roles: ['developers', 'platform team'] },
    'https://tasks.example/roles': ['developers'],
  }),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: () => ({
        scope: 'tasks:read tasks:write',
        audience: AUDIENCE,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
})
