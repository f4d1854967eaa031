/**
 * Why an execution did not succeed, in machine-readable form. They are part of the API, so they don't change. Each is
 * explained in docs/concepts.md.
 */
export const RUN_ERRORS = [
  'timeout',
  'lost',
  'cancelled',
  'paused',
  'http_status',
  'dns',
  'refused',
  'reset',
  'unreachable',
  'tls',
  'bad_params',
  'unknown_type',
  'unwritable',
  'error',
] as const

export type RunError = (typeof RUN_ERRORS)[number]

/** The status that an execution with this code has. With any other code, it is `failed`. */
const STATUSES: Partial<Record<RunError, 'timeout' | 'lost' | 'cancelled'>> = {
  timeout: 'timeout',
  lost: 'lost',
  cancelled: 'cancelled',
  paused: 'cancelled',
}

/** Returns the status of executions with this code. */
export const statusOf = (code: RunError): 'failed' | 'timeout' | 'lost' | 'cancelled' =>
  STATUSES[code] ?? 'failed'

/** The codes of errors from sockets and from undici. Errors with any other code are `error`. */
const OF_SOCKETS: Record<string, RunError> = {
  ENOTFOUND: 'dns',
  EAI_AGAIN: 'dns',
  ECONNREFUSED: 'refused',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
  UND_ERR_SOCKET: 'reset',
  ETIMEDOUT: 'unreachable',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EADDRNOTAVAIL: 'unreachable',
  EPROTO: 'tls',
}

/** Matches the codes of TLS errors: Node's own, and those that OpenSSL gives to certificates. */
const TLS = /^ERR_(TLS|SSL)_|CERT|SIGNATURE|^CRL_/

/** Returns the code of an error that a runner threw. */
export function runErrorOf(error: unknown): RunError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return OF_SOCKETS[code] ?? (TLS.test(code) ? 'tls' : 'error')
}
