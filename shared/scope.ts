/** What a caller may do, from the narrowest scope to the widest. Each scope includes those before it. */
export const SCOPES = ['read', 'run', 'write', 'admin'] as const

export type Scope = (typeof SCOPES)[number]

/** What a route requires. `public` routes need no key. */
export type Access = 'public' | Scope

/** Returns whether a caller with the scope `held` may call a route that requires `needed`. */
export const includes = (held: Scope, needed: Scope): boolean =>
  SCOPES.indexOf(held) >= SCOPES.indexOf(needed)

/** Who sends a request. */
export type Principal = {
  /** Unique across all ways of authenticating, for example `env:ci`, `key:12` or `oidc:issuer:subject`. */
  id: string
  /** For the log: the key's name, or the subject. */
  name: string
  scope: Scope
}

/** The caller when neither keys nor an issuer are configured. Only this machine can reach the API in that case. */
export const ANYONE: Principal = { id: 'anyone', name: 'anyone', scope: 'admin' }
