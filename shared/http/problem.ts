import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda'
import { type AppError, type ErrorCode, STATUS_OF } from '../errors.ts'

const TITLES: Record<ErrorCode, string> = {
  bad_request: 'Bad Request',
  unauthorized: 'Unauthorized',
  not_found: 'Not Found',
  method_not_allowed: 'Method Not Allowed',
  conflict: 'Conflict',
  precondition_failed: 'Precondition Failed',
  payload_too_large: 'Content Too Large',
  unsupported_media_type: 'Unsupported Media Type',
  invalid: 'Unprocessable Content',
  internal: 'Internal Server Error',
  unavailable: 'Service Unavailable',
  timeout: 'Gateway Timeout',
}

/** An error as `application/problem+json` (RFC 9457). */
export function problemResponse(error: AppError, requestId: string): APIGatewayProxyStructuredResultV2 {
  const status = STATUS_OF[error.code]
  return {
    statusCode: status,
    headers: { 'content-type': 'application/problem+json', ...error.headers },
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
