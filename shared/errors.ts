/** What can go wrong for a caller. The codes are part of the API, so they don't change. */
export type ErrorCode =
  | 'bad_request'
  | 'unauthorized'
  | 'not_found'
  | 'method_not_allowed'
  | 'conflict'
  | 'precondition_failed'
  | 'payload_too_large'
  | 'unsupported_media_type'
  | 'invalid'
  | 'internal'
  | 'unavailable'
  | 'timeout'

/**
 * One thing that is wrong with the input: where (a JSON Pointer into the body, or the name of a parameter), and what.
 */
export type Problem = { pointer: string; detail: string } | { parameter: string; detail: string }

/** An error whose message the caller may see. Any other error is a bug, and shows nothing. */
export class AppError extends Error {
  override readonly name = 'AppError'
  readonly code: ErrorCode
  readonly problems: Problem[]
  /** When to try again. */
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

export const notFound = (what: string, id: number): AppError =>
  new AppError('not_found', `${what} ${id} does not exist`)

/**
 * A body may have thousands of mistakes. Nobody reads that many, and the answer must not be longer than the question.
 */
const PROBLEMS_SHOWN = 20
const DETAILS_SHOWN = 5

/** Returns the error for bad input. Its message lists the problems, for clients that only show `detail`. */
export function invalid(all: Problem[]): AppError {
  const problems = all.slice(0, PROBLEMS_SHOWN)
  const list = problems.map(
    (problem) => `${'pointer' in problem ? problem.pointer : problem.parameter}: ${problem.detail}`,
  )
  const more = all.length > DETAILS_SHOWN ? [`and ${all.length - DETAILS_SHOWN} more`] : []
  return new AppError('invalid', [...list.slice(0, DETAILS_SHOWN), ...more].join('; '), { problems })
}

/** Returns the message of anything that may be thrown. */
export function messageOf(error: unknown): string {
  try {
    return error instanceof Error ? String(error.message || error.name) : String(error)
  } catch {
    return 'something was thrown that has no text'
  }
}
