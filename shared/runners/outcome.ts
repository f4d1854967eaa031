import type { RunError } from './error-code.ts'

/** The result of a run: JSON for the ledger. */
export type Result = Record<string, unknown>

/** How a run ended. Runners return `success` or `failed`, and the executor adds the other statuses. */
export type Outcome =
  | { status: 'success'; result: Result }
  | {
      status: 'failed' | 'timeout'
      errorCode: RunError
      detail: string
      result?: Result
      /** False if another attempt wouldn't help. */
      retryable: boolean
      /** How many seconds the target asked us to wait before calling it again. */
      notBeforeSeconds?: number
      /** Seconds until the next attempt, if there is one. */
      retryInSeconds?: number
    }
  | { status: 'cancelled'; errorCode: RunError; detail: string }
  /** Handed back unfinished at shutdown. The execution is queued again, as the same attempt. */
  | { status: 'handed_back' }

export const success = (result: Result): Outcome => ({ status: 'success', result })

/** `result`: what is known about the failure, such as a status code. */
export const failed = (
  errorCode: RunError,
  detail: string,
  more: { result?: Result; retryable?: boolean; notBeforeSeconds?: number } = {},
): Outcome => ({
  status: 'failed',
  errorCode,
  detail,
  retryable: more.retryable ?? true,
  ...(more.result && { result: more.result }),
  ...(more.notBeforeSeconds !== undefined && { notBeforeSeconds: more.notBeforeSeconds }),
})

export const timedOut = (seconds: number): Outcome => ({
  status: 'timeout',
  errorCode: 'timeout',
  detail: `stopped after its timeout of ${seconds} seconds`,
  retryable: true,
})

export const cancelled = (detail: string): Outcome => ({
  status: 'cancelled',
  errorCode: 'cancelled',
  detail,
})

export const handedBack: Outcome = { status: 'handed_back' }
