import * as z from 'zod'

/** What can go wrong for a caller: a stable code, and the HTTP status that stands for it. */
export const STATUS_OF = {
  bad_request: 400,
  unauthorized: 401,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  precondition_failed: 412,
  payload_too_large: 413,
  unsupported_media_type: 415,
  invalid: 422,
  internal: 500,
  unavailable: 503,
  timeout: 504,
} as const

export type ErrorCode = keyof typeof STATUS_OF

/** One thing wrong with the input: where (JSON Pointer into the body, or the name of a parameter), and what. */
const problem = z.union([
  z.object({ pointer: z.string(), detail: z.string() }),
  z.object({ parameter: z.string(), detail: z.string() }),
])

export type Problem = z.output<typeof problem>

/** The body of every error (RFC 9457). */
export const problemOut = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.enum(Object.keys(STATUS_OF) as [ErrorCode, ...ErrorCode[]]),
  detail: z.string(),
  reason: z.string().optional().describe('Of what is unavailable, for programs'),
  request_id: z.string(),
  errors: z.array(problem).optional(),
})

/** An error whose message may be shown to the caller. Anything else that is thrown is a bug, and shows nothing. */
export class AppError extends Error {
  override readonly name = 'AppError'
  readonly code: ErrorCode
  readonly problems: Problem[]
  readonly headers: Record<string, string>
  readonly reason: string | undefined

  constructor(
    code: ErrorCode,
    message: string,
    more: { problems?: Problem[]; headers?: Record<string, string>; reason?: string; cause?: unknown } = {},
  ) {
    super(message, { cause: more.cause })
    this.code = code
    this.problems = more.problems ?? []
    this.headers = more.headers ?? {}
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
