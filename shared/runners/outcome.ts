/** What a run gives: JSON that the ledger keeps. */
export type Result = Record<string, unknown>

/** How an execution ended. A runner decides the first two, execute the others; settle writes them. */
export type Outcome =
  | { status: 'success'; result: Result }
  | {
      status: 'failed' | 'timeout'
      detail: string
      result?: Result
      /** False when another attempt can't help. */
      retryable: boolean
      /** The target asked not to be called again before so many seconds. */
      notBeforeSeconds?: number
      /** When the next attempt comes, if one does. */
      retryInSeconds?: number
    }
  | { status: 'cancelled'; detail: string }
  /** Given back unfinished, at a shutdown: queued again, and no attempt is counted. */
  | { status: 'handed_back' }

export const success = (result: Result): Outcome => ({ status: 'success', result })

/** `result` keeps what is known of the failure, such as a status code. */
export const failed = (
  detail: string,
  more: { result?: Result; retryable?: boolean; notBeforeSeconds?: number } = {},
): Outcome => ({
  status: 'failed',
  detail,
  retryable: more.retryable ?? true,
  ...(more.result && { result: more.result }),
  ...(more.notBeforeSeconds !== undefined && { notBeforeSeconds: more.notBeforeSeconds }),
})

export const timedOut = (seconds: number): Outcome => ({
  status: 'timeout',
  detail: `stopped after its timeout of ${seconds} seconds`,
  retryable: true,
})

export const cancelled = (detail: string): Outcome => ({ status: 'cancelled', detail })

export const handedBack: Outcome = { status: 'handed_back' }
