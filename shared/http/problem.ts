import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda'
import * as z from 'zod'
import { AppError, type ErrorCode } from '../errors.ts'

/** The HTTP status of each error code. */
export const STATUS_OF = {
  bad_request: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  request_timeout: 408,
  conflict: 409,
  precondition_failed: 412,
  payload_too_large: 413,
  unsupported_media_type: 415,
  expectation_failed: 417,
  invalid: 422,
  too_many_requests: 429,
  headers_too_large: 431,
  internal: 500,
  unavailable: 503,
  timeout: 504,
} as const satisfies Record<ErrorCode, number>

/** The body of every error (RFC 9457). */
export const problemOut = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z
    .enum(Object.keys(STATUS_OF) as [ErrorCode, ...ErrorCode[]])
    .describe('The kind of error, in machine-readable form.'),
  detail: z.string().describe('What went wrong, in human-readable form.'),
  reason: z.string().optional().describe('Why the service is unavailable, in machine-readable form.'),
  request_id: z.string().describe('Id of the request, as in the `x-request-id` header and in the log.'),
  errors: z
    .array(
      z.union([
        z.object({ pointer: z.string(), detail: z.string() }),
        z.object({ parameter: z.string(), detail: z.string() }),
      ]),
    )
    .optional()
    .describe(
      'Problems with the input: a JSON Pointer into the body, or the name of a parameter, and what is wrong.',
    ),
})

const TITLES: Record<ErrorCode, string> = {
  bad_request: 'Bad Request',
  unauthorized: 'Unauthorized',
  forbidden: 'Forbidden',
  not_found: 'Not Found',
  method_not_allowed: 'Method Not Allowed',
  request_timeout: 'Request Timeout',
  conflict: 'Conflict',
  precondition_failed: 'Precondition Failed',
  payload_too_large: 'Content Too Large',
  unsupported_media_type: 'Unsupported Media Type',
  expectation_failed: 'Expectation Failed',
  invalid: 'Unprocessable Content',
  too_many_requests: 'Too Many Requests',
  headers_too_large: 'Request Header Fields Too Large',
  internal: 'Internal Server Error',
  unavailable: 'Service Unavailable',
  timeout: 'Gateway Timeout',
}

/** A 405, which must list the allowed methods (RFC 9110, 15.5.6). */
export class MethodNotAllowed extends AppError {
  readonly allow: string

  constructor(message: string, methods: string[]) {
    super('method_not_allowed', message)
    this.allow = methods.join(', ')
  }
}

/** Returns an error as `application/problem+json` (RFC 9457). */
export function problemResponse(error: AppError, requestId: string): APIGatewayProxyStructuredResultV2 {
  const status = STATUS_OF[error.code]
  return {
    statusCode: status,
    headers: { 'content-type': 'application/problem+json', ...headersOf(error) },
    body: JSON.stringify({
      type: 'about:blank',
      title: TITLES[error.code],
      status,
      code: error.code,
      detail: error.message,
      ...(error.reason && { reason: error.reason }),
      request_id: requestId,
      ...(error.problems.length > 0 && { errors: error.problems }),
    }),
  }
}

function headersOf(error: AppError): Record<string, string> {
  const { code, retryAfterSeconds } = error
  return {
    ...(error instanceof MethodNotAllowed && { allow: error.allow }),
    // A 401 must name an authentication scheme (RFC 9110, 15.5.2), even if it isn't a registered one.
    ...(code === 'unauthorized' && { 'www-authenticate': 'ApiKey, Bearer' }),
    ...(retryAfterSeconds !== undefined && { 'retry-after': String(retryAfterSeconds) }),
  }
}
