import { expect } from 'vitest'
import { TASK_TYPES } from '../../shared/runners/index.ts'
import { REQUEST_ID } from './http-event.ts'

/** Matches any timestamp. Used for timestamps that a test can't predict. */
export const INSTANT = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)

/** The detail for a `type` that doesn't exist. */
export const NOT_A_TYPE = `must be one of ${TASK_TYPES.join(', ')}`

/** Returns the `ETag` header for a task's version. */
export const etag = (version: number) => ({ etag: `"${version}"` })

const BROWSER = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'permissions-policy': 'camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()',
  'cross-origin-resource-policy': 'same-origin',
}

/** The security headers of all responses other than pages. */
export const SECURITY = {
  ...BROWSER,
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
}

/** The security headers of pages. */
export const PAGE_SECURITY = {
  ...BROWSER,
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
}

const HEADERS = { ...SECURITY, 'cache-control': 'no-store', 'x-request-id': REQUEST_ID }

export const json = (statusCode: number, body: unknown, headers: Record<string, string> = {}) => ({
  statusCode,
  headers: { ...HEADERS, 'content-type': 'application/json', ...headers },
  body,
})

const STATUSES = {
  bad_request: [400, 'Bad Request'],
  unauthorized: [401, 'Unauthorized'],
  forbidden: [403, 'Forbidden'],
  not_found: [404, 'Not Found'],
  method_not_allowed: [405, 'Method Not Allowed'],
  conflict: [409, 'Conflict'],
  precondition_failed: [412, 'Precondition Failed'],
  payload_too_large: [413, 'Content Too Large'],
  unsupported_media_type: [415, 'Unsupported Media Type'],
  invalid: [422, 'Unprocessable Content'],
  too_many_requests: [429, 'Too Many Requests'],
  internal: [500, 'Internal Server Error'],
  unavailable: [503, 'Service Unavailable'],
  timeout: [504, 'Gateway Timeout'],
} as const

type Problem = { pointer: string; detail: string } | { parameter: string; detail: string }

export function problem(
  code: keyof typeof STATUSES,
  detail: string,
  more: { errors?: Problem[]; headers?: Record<string, string>; reason?: string } = {},
) {
  const [status, title] = STATUSES[code]
  return {
    statusCode: status,
    headers: { ...HEADERS, 'content-type': 'application/problem+json', ...more.headers },
    body: {
      type: 'about:blank',
      title,
      status,
      code,
      detail,
      ...(more.reason && { reason: more.reason }),
      request_id: REQUEST_ID,
      ...(more.errors && { errors: more.errors }),
    },
  }
}

export const unauthorized = (detail: string) =>
  problem('unauthorized', detail, { headers: { 'www-authenticate': 'ApiKey, Bearer' } })

/** Returns a 422 response that names these fields, in order. */
export const invalidFields = (...fields: [pointer: string, detail: string][]) =>
  problem('invalid', fields.map(([pointer, detail]) => `${pointer}: ${detail}`).join('; '), {
    errors: fields.map(([pointer, detail]) => ({ pointer, detail })),
  })

/** Returns a 422 response that names this path or query parameter. */
export const invalidParameter = (parameter: string, detail: string) =>
  problem('invalid', `${parameter}: ${detail}`, { errors: [{ parameter, detail }] })

/** Matches null too. What a task's history contains is tested with the list of tasks. */
const ANYTHING = expect.toSatisfy(() => true)

/** Returns a task as the API shows it: a minimal interval task, overridden by `given`. */
export const aTask = (given: object = {}) => {
  const task = {
    id: 1,
    name: 'a',
    type: 'sleep',
    schedule_type: 'interval',
    interval_seconds: 60,
    interval_mode: 'fixed_rate',
    cron_expression: null,
    timezone: 'UTC',
    start_at: null,
    end_at: null,
    jitter_seconds: 0,
    next_run_at: INSTANT,
    params: {},
    timeout_seconds: null,
    running: false,
    overlap_policy: 'skip',
    misfire_policy: 'fire_once',
    misfire_grace_seconds: 60,
    max_attempts: 1,
    retry_backoff_seconds: 5,
    retry_max_backoff_seconds: 3600,
    crash_limit: 3,
    description: null,
    pause_after_failures: null,
    consecutive_failures: 0,
    max_runs: null,
    runs: 0,
    tags: [],
    paused_at: null,
    paused_until: null,
    pause_reason: null,
    last_run_at: ANYTHING,
    last_execution: ANYTHING,
    recent: expect.any(Array),
    version: 1,
    created_at: INSTANT,
    updated_at: INSTANT,
    ...given,
  }
  return { next_runs: nextThree(task), state: stateOf(task), ...task }
}

type Shown = {
  schedule_type: string
  next_run_at: unknown
  paused_at: unknown
  interval_seconds: number | null
}

/** Returns the state of a task without a queued execution. */
function stateOf(task: { running: boolean; consecutive_failures: number } & Shown): string {
  const { next_run_at: next } = task
  if (task.running) return 'running'
  if (task.paused_at !== null) return 'paused'
  if (typeof next === 'string' && Date.parse(next) < Date.now() - 5000) return 'late'
  if (task.consecutive_failures > 0) return 'failing'
  return next === null ? 'ended' : 'waiting'
}

/** Returns the `next_runs` of a task that never ends. They are exact for an interval whose `next_run_at` is known. */
function nextThree({ schedule_type, next_run_at: first, paused_at, interval_seconds: seconds }: Shown) {
  if (paused_at !== null || first === null) return []
  if (schedule_type === 'once') return [first]
  if (typeof first !== 'string' || seconds === null) return [first, INSTANT, INSTANT]
  return [0, 1, 2].map((k) => new Date(Date.parse(first) + k * seconds * 1000).toISOString())
}

/** Returns an execution as the API shows it: a success of task 1, overridden by `given`. */
export const anExecution = (given: object = {}) => {
  const execution = {
    id: 1,
    task_id: 1,
    task_name: 'a',
    status: 'success',
    scheduled_for: '2027-03-10T00:00:00.000Z',
    due_at: '2027-03-10T00:00:00.000Z',
    attempt: 1,
    trigger: 'schedule',
    rerun_of: null,
    started_at: '2027-03-10T00:00:00.000Z',
    cancel_requested_at: null,
    finished_at: '2027-03-10T00:00:00.000Z',
    detail: null,
    error_code: null,
    result: { slept_seconds: 2 },
    late_ms: null,
    late_reason: null,
    skip_reason: null,
    skipped_until: null,
    skipped_count: null,
    ...given,
  }
  return { duration_ms: durationOf(execution), ...execution }
}

function durationOf({ started_at, finished_at }: { started_at: unknown; finished_at: unknown }): unknown {
  if (started_at === null || finished_at === null) return null
  if (typeof started_at !== 'string' || typeof finished_at !== 'string') return expect.any(Number)
  return Date.parse(finished_at) - Date.parse(started_at)
}

/** Returns a queued manual run of task 1, overridden by `given`. */
export const aQueued = (given: object = {}) =>
  anExecution({
    status: 'queued',
    scheduled_for: INSTANT,
    due_at: INSTANT,
    trigger: 'manual',
    started_at: null,
    finished_at: null,
    result: null,
    ...given,
  })

/**
 * Returns a finished manual run of task 1, overridden by `given`. Its times match any timestamp, since tests can't
 * predict them.
 */
export const aRun = (given: object = {}) =>
  anExecution({
    scheduled_for: INSTANT,
    due_at: INSTANT,
    trigger: 'manual',
    started_at: INSTANT,
    finished_at: INSTANT,
    ...given,
  })
