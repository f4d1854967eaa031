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

/** One thing wrong with the input: where (JSON Pointer into the body, or the name of a parameter), and what. */
export type Problem = { pointer: string; detail: string } | { parameter: string; detail: string }

/** An error whose message may be shown to the caller. Anything else that is thrown is a bug, and shows nothing. */
export class AppError extends Error {
  override readonly name = 'AppError'
  readonly code: ErrorCode
  readonly problems: Problem[]
  /** When trying again may help. */
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

/** A body may have thousands of them: nobody reads on, and the answer must not outgrow the question. */
const PROBLEMS_SHOWN = 20
const DETAILS_SHOWN = 5

/** Bad input: the message lists the problems, so that a client that shows only `detail` helps too. */
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
