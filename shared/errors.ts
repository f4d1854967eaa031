/** Error codes. They are part of the API, so they don't change. */
export type ErrorCode =
  | 'bad_request'
  | 'unauthorized'
  | 'forbidden'
  | 'not_found'
  | 'method_not_allowed'
  | 'request_timeout'
  | 'conflict'
  | 'precondition_failed'
  | 'payload_too_large'
  | 'unsupported_media_type'
  | 'expectation_failed'
  | 'invalid'
  | 'too_many_requests'
  | 'headers_too_large'
  | 'internal'
  | 'unavailable'
  | 'timeout'

/** A problem with the input: where it is (a JSON Pointer into the body, or a parameter's name), and what is wrong. */
export type Problem = { pointer: string; detail: string } | { parameter: string; detail: string }

/** An error whose message is shown to the caller. Any other error is a bug, and its message is hidden. */
export class AppError extends Error {
  override readonly name = 'AppError'
  readonly code: ErrorCode
  readonly problems: Problem[]
  /** Seconds after which the caller should retry. */
  readonly retryAfterSeconds: number | undefined
  readonly reason: string | undefined

  constructor(
    code: ErrorCode,
    message: string,
    more: { problems?: Problem[]; retryAfterSeconds?: number; reason?: string; cause?: unknown } = {},
  ) {
    super(message, { cause: more.cause })
    this.code = code
    this.problems = more.problems ?? []
    this.retryAfterSeconds = more.retryAfterSeconds
    this.reason = more.reason
  }
}

export const notFound = (what: string, id: number | string): AppError =>
  new AppError('not_found', `${what} ${id} does not exist`)

/**
 * Limits on the number of problems in `errors` and in `detail`. A body may have thousands of mistakes, but the response
 * shouldn't be longer than the request.
 */
export const PROBLEMS_SHOWN = 20
const DETAILS_SHOWN = 5

/** Returns the error for invalid input. Its message lists the problems, for clients that only show `detail`. */
export function invalid(all: Problem[]): AppError {
  const problems = all.slice(0, PROBLEMS_SHOWN)
  const list = problems.map(
    (problem) => `${'pointer' in problem ? problem.pointer : problem.parameter}: ${problem.detail}`,
  )
  const more = all.length > DETAILS_SHOWN ? [`and ${all.length - DETAILS_SHOWN} more`] : []
  return new AppError('invalid', [...list.slice(0, DETAILS_SHOWN), ...more].join('; '), { problems })
}

/** Returns a message for any value that can be thrown. */
export function messageOf(error: unknown): string {
  try {
    return error instanceof Error ? String(error.message || error.name) : String(error)
  } catch {
    return 'an unprintable value was thrown'
  }
}
