import type { APIGatewayProxyEventV2 } from 'aws-lambda'
import type * as z from 'zod'
import type { Database } from '../db.ts'
import type { Access, Principal } from '../scope.ts'

/** Describes a route's input and output. The documentation is generated from it. */
export type Operation = {
  tag: 'Tasks' | 'Executions' | 'Schedules' | 'Monitoring' | 'Keys' | 'Session' | 'System'
  summary: string
  description: string
  /** The scope that a caller needs. `public`: no key is required. */
  access: Access
  /** The response contains a secret, so it isn't kept for `Idempotency-Key`. */
  hasSecret?: true
  path?: z.ZodObject
  query?: z.ZodObject
  body?: z.ZodType
  /** Maximum size of the body, in bytes, if it is less than for other operations. */
  bodyLimit?: number
  /** A valid body. */
  example?: unknown
  /** Fields that can only be set on creation. */
  immutable?: readonly string[]
  /** A missing body counts as `{}`. */
  bodyOptional?: true
  /** For each status: what it means and, for JSON, the schema of the body. */
  responses: Record<number, { description: string; body?: z.ZodType }>
}

/**
 * A handler's result. `body` is sent as JSON, unless it is a string. A string is sent unchanged (decoded first if it is
 * base64), with the content type from `headers`.
 */
export type Reply = {
  status: number
  body: unknown
  headers?: Record<string, string>
  /** Values of `Set-Cookie`. */
  cookies?: string[]
  isBase64Encoded?: true
}

/** What a handler receives besides its input. */
export type HttpRequest = {
  event: APIGatewayProxyEventV2
  /** Who sent the request. On a public route, it may be anyone. */
  caller: Principal
  /** The pool, limited to the time that this request has left. Created on first use. */
  readonly sql: Database
}
