import type * as z from 'zod'
import type { Queryable } from '../db.ts'
import type { Outcome, Result } from './outcome.ts'

/** What a run is told about its occurrence. */
export type RunInfo = {
  taskId: number
  executionId: number
  scheduledFor: Date
  attempt: number
  /** The same at each attempt of one occurrence, and at no other: for targets that must not act twice. */
  idempotencyKey: string
  /** Aborts at the timeout, on cancel and at shutdown. A runner stops what it does then. */
  signal: AbortSignal
}

/** The code behind a task type. */
export type Runner<Params = unknown> = {
  /** What it does, as a sentence without its period: for the reference page. */
  about: string
  /** Checks a task's params when it is created or changed, and fills in the defaults when it runs. */
  params: z.ZodType<Params>
  /** Does the work, and leaves its params as they are, since all runs of a task share them. What it throws is a failed execution with the error's message as its detail. */
  run(params: Params, run: RunInfo): Promise<Outcome>
  /** Names what the runs of these params share and may all be held up by, such as a server. Default: the task type. */
  target?(params: Params): string
  /**
   * Effects in our own database, for tasks whose `run` gave success: done in the transaction that settles the execution,
   * so exactly once. Gives the results by task id.
   */
  commit?(sql: Queryable, taskIds: number[]): Promise<Map<number, Result>>
}
