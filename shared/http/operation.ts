import type { APIGatewayProxyEventV2 } from 'aws-lambda'
import type * as z from 'zod'
import type { Database } from '../db.ts'

/** What a route takes and gives. The documentation is made from it. */
export type Operation = {
  tag: 'Tasks' | 'Executions' | 'Schedules' | 'System'
  summary: string
  description: string
  /** No API key is needed. */
  public?: true
  path?: z.ZodObject
  query?: z.ZodObject
  body?: z.ZodType
  /** A body that works as it is. */
  example?: unknown
  /** Fields that only creation may set. */
  immutable?: readonly string[]
  /** No body at all is taken as `{}`. */
  bodyOptional?: true
  /** By status: what it means, and the body's schema when it is JSON. */
  responses: Record<number, { description: string; body?: z.ZodType }>
}

/** `body` leaves as JSON; a string leaves as it is, with the content type among the headers. */
export type Reply = { status: number; body: unknown; headers?: Record<string, string> }

/** What a handler gets besides its input. */
export type HttpRequest = {
  event: APIGatewayProxyEventV2
  /** The pool, for as long as this request may use it; made when it is asked for. */
  readonly sql: Database
}
