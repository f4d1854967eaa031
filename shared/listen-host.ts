import { isIPv4 } from 'node:net'
import { type ConfiguredKey, isWeak } from './configured-keys.ts'

/** The settings that decide who can reach the API. */
export type Exposure = {
  /** HOST, if it is set. */
  host: string | undefined
  keys: readonly ConfiguredKey[]
  /** The OpenID Connect issuer, if one is configured. */
  oidc: object | undefined
  allowWeakKey: boolean
}

const LOOPBACK = '127.0.0.1'

/**
 * Returns the address to listen on. Without any key or issuer, only this machine may reach the API, whatever HOST says.
 * The same holds for a weak key, unless HOST is set.
 */
export function listenHost({ host, keys, oidc, allowWeakKey }: Exposure, hasStoredKeys: boolean): string {
  if (keys.length === 0 && !oidc && !hasStoredKeys) return LOOPBACK
  return host ?? (keys.some(isWeak) && !allowWeakKey ? LOOPBACK : '0.0.0.0')
}

/** Returns whether only this machine can reach a server that listens on `host`. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))
